"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const base = location.pathname.replace(/\/docs$/, ""); // of the endpoint, on the server that this page came from
const byId = (id) => document.getElementById(id);

/** An element with properties and children; texts are texts, never markup. */
function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const show = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

// --- what the endpoint is ---

function describe() {
  document.title = `${data.name} · endpoint`;
  byId("name").textContent = data.name;
  byId("url").textContent = data.url;
  byId("variable").textContent = data.token_variable;
  byId("disabled").hidden = data.is_enabled;
  byId("description").textContent = data.description ?? "";
  byId("description").hidden = !data.description;
  list(byId("input-list"), data.inputs, "This endpoint takes no inputs.");
  list(byId("output-list"), data.outputs, "This endpoint returns no outputs.");
}

function list(place, items, none) {
  if (items.length === 0) place.replaceWith(make("p", { className: "hint" }, none));
  for (const item of items) {
    place.append(
      make("dt", {}, item.name, make("span", { className: "type" }, typeOf(item))),
      make("dd", {}, item.description ?? ""),
    );
  }
}

function typeOf(item) {
  if (item.is_required) return `${item.type}, required`;
  return item.default == null ? item.type : `${item.type}, default ${JSON.stringify(item.default)}`;
}

// --- snippets: tabs as in the ARIA practices ---

function addSnippets() {
  const tabs = Object.entries(data.snippets).map(([language, text], index) => {
    const tab = make("button", { type: "button", role: "tab", id: `tab-${index}`, "aria-controls": `panel-${index}` }, language);
    const copy = make("button", { type: "button", className: "quiet" }, "Copy");
    copy.addEventListener("click", () => copyText(copy, text));
    const panel = make(
      "div",
      { role: "tabpanel", id: `panel-${index}`, "aria-labelledby": tab.id },
      make("pre", { tabIndex: 0 }, text),
      copy,
    );
    byId("tabs").append(tab);
    byId("panels").append(panel);
    return { tab, panel };
  });
  const select = (chosen) => {
    tabs.forEach(({ tab, panel }, index) => {
      tab.setAttribute("aria-selected", index === chosen);
      tab.tabIndex = index === chosen ? 0 : -1;
      panel.hidden = index !== chosen;
    });
  };
  tabs.forEach(({ tab }, index) => {
    tab.addEventListener("click", () => select(index));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step === undefined) return;
      const next = (index + step + tabs.length) % tabs.length;
      select(next);
      tabs[next].tab.focus();
    });
  });
  select(0);
}

async function copyText(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C"; // a page that is not served over HTTPS may not write to the clipboard
    getSelection().selectAllChildren(button.previousElementSibling);
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

// --- the form: one field per input, each knows how to read its value; undefined is "not sent" ---

function addField(input, index) {
  const id = `input-${index}`;
  const control = makeControl(input);
  control.id = id;
  control.required = input.is_required;
  const problem = make("p", { className: "problem", id: `${id}-problem`, hidden: true });
  const hint = input.description && make("p", { className: "hint said", id: `${id}-hint` }, input.description);
  control.setAttribute("aria-describedby", `${id}-problem${hint ? ` ${id}-hint` : ""}`);
  byId("inputs").append(
    make(
      "div",
      { className: "field" },
      make("label", { htmlFor: id }, input.name, make("span", { className: "type" }, typeOf(input))),
      control,
      problem,
      hint || null,
    ),
  );
  const complain = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
    control.setAttribute("aria-invalid", Boolean(text));
  };
  control.addEventListener("input", () => complain(""));
  return { input, control, complain };
}

function makeControl({ type, default: value }) {
  const placeholder = value == null ? "" : show(value);
  if (type === "file") return make("input", { type: "file" });
  if (type === "number") return make("input", { inputMode: "decimal", placeholder });
  if (type === "string") return make("textarea", { rows: 1, placeholder });
  if (type === "boolean") {
    const nothing = value == null ? "not sent" : `default (${value})`;
    return make("select", {}, ...["", "true", "false"].map((text) => make("option", { value: text }, text || nothing)));
  }
  return make("textarea", { className: "code", rows: 4, spellcheck: false, placeholder: placeholder || (type === "array" ? "[1, 2, 3]" : '{"key": "value"}') });
}

/** Throws a SyntaxError that says what is wrong. */
function read({ input, control }) {
  if (input.type === "file") return control.files[0];
  const text = control.value;
  if (text === "") return undefined;
  if (input.type === "string") return text;
  if (input.type === "number" && !Number.isFinite(Number(text))) throw new SyntaxError("This is not a number.");
  if (input.type === "number") return Number(text);
  const value = JSON.parse(text);
  if (input.type === "array" && !Array.isArray(value)) throw new SyntaxError("This is JSON, but not an array.");
  return value;
}

function readAll(fields) {
  const values = new Map();
  let wrong;
  for (const field of fields) {
    try {
      const value = read(field);
      if (value !== undefined) values.set(field.input.name, value);
      field.complain("");
    } catch (error) {
      field.complain(error.message);
      wrong ??= field.control;
    }
  }
  wrong?.focus();
  return wrong ? undefined : values;
}

/** The options of a request: a form as soon as there is a file, JSON otherwise. */
function request(values) {
  const headers = authorization();
  if (![...values.values()].some((value) => value instanceof File)) {
    const body = JSON.stringify(Object.fromEntries(values));
    return { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body };
  }
  const body = new FormData();
  for (const [name, value] of values) body.append(name, value instanceof File ? value : JSON.stringify(value));
  return { method: "POST", headers, body };
}

const authorization = () => ({ Authorization: `EndpointToken ${byId("token").value}` });

// --- a call ---

async function call(fields) {
  const values = readAll(fields);
  if (values === undefined) return;
  const abort = new AbortController();
  byId("cancel").onclick = () => abort.abort();
  const stop = startClock();
  try {
    // After its hold the server answers 303 to the result, which the browser follows.
    const answer = await fetch(base, { ...request(values), signal: abort.signal });
    if (answer.ok) report(true, "Succeeded", await resultOf(answer));
    else report(false, `${answer.status < 500 ? "Refused" : "Failed"} (${answer.status})`, await errorOf(answer));
  } catch (error) {
    const text = error.name === "AbortError" ? "No longer waiting; the execution goes on." : `No answer: ${error.message}`;
    report(false, text, []);
  } finally {
    stop();
  }
}

function startClock() {
  const start = performance.now();
  const tick = () => (byId("time").textContent = `${((performance.now() - start) / 1000).toFixed(2)} s`);
  const timer = setInterval(tick, 100);
  byId("send").disabled = true;
  byId("cancel").hidden = false;
  byId("result").hidden = true;
  return () => {
    clearInterval(timer);
    tick();
    byId("send").disabled = false;
    byId("cancel").hidden = true;
  };
}

function report(isGood, verdict, parts) {
  const result = byId("result");
  result.replaceChildren(make("p", { className: `verdict ${isGood ? "good" : "bad"}` }, verdict), ...parts);
  result.hidden = false;
  result.focus();
}

const part = (title, content) => make("div", { className: "field" }, make("span", { className: "label" }, title), content);
const text = (value, className = "") => make("pre", { tabIndex: 0, className }, value);

async function resultOf(answer) {
  const executionId = answer.headers.get("Craft-Ai-Execution-Id");
  if (answer.headers.get("Content-Type") === "application/octet-stream") {
    const content = await answer.blob();
    return [part(data.outputs[0].name, saveButton(data.outputs[0].name, () => content)), idLine(executionId)];
  }
  const body = await answer.json();
  if (body === null) return [part(data.outputs[0].name, text("null")), idLine(executionId)];
  const outputs = data.outputs.map(({ name, type }) => {
    const value = body.outputs[name];
    const isFile = type === "file" && value !== null;
    const path = `${base}/executions/${body.execution_id}/outputs/${name}`;
    return part(name, isFile ? saveButton(name, () => download(path)) : text(show(value)));
  });
  return [...outputs, idLine(body.execution_id)];
}

const idLine = (id) => (id ? make("p", { className: "hint" }, "Execution ", make("code", {}, id)) : "");

async function errorOf(answer) {
  const body = await answer.json();
  const { reason, remedy, traceback, execution_id: id } = body.additional_data ?? {};
  return [
    part(body.name, text(body.message)),
    reason ? part("Reason", text(reason)) : "",
    remedy ? part("What to do", text(remedy)) : "",
    traceback ? part("Traceback", text(traceback, "lines")) : "",
    id ? idLine(id) : make("p", { className: "hint" }, "Request ", make("code", {}, body.request_id)),
  ];
}

// --- files: fetched with the token in a header, so that no link carries it ---

async function download(path) {
  const answer = await fetch(path, { headers: authorization() });
  if (!answer.ok) throw new Error((await answer.json()).message);
  return answer.blob();
}

function saveButton(name, content) {
  const button = make("button", { type: "button", className: "quiet" }, `Save ${name}`);
  button.addEventListener("click", () => save(button, name, content));
  return button;
}

async function save(button, name, content) {
  try {
    const url = URL.createObjectURL(await content());
    make("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    button.textContent = `Not saved: ${error.message}`;
  }
}

describe();
addSnippets();
byId("token").value = new URLSearchParams(location.search).get("token") ?? "";
const fields = data.inputs.map(addField);
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  call(fields);
});
byId("openapi").addEventListener("click", (event) => save(event.target, "openapi.json", () => download(`${base}/openapi.json`)));
