"""Every command against a real platform: what it prints for people, for pipes and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.shells import Shell
from tests.platforms import Platform, eventually

SOURCE = """
def main(text, count=1, flag=False, thing=None, items=None, upload=None):
    print("called with", text)
    if text == "fail":
        raise ValueError("as asked")
    content = open(upload["path"]).read() if upload else ""
    with open("out.txt", "w") as file:
        file.write(text * count + content)
    return {"said": text * count, "got": [flag, thing, items, content], "file": {"path": "out.txt"}}
"""
INPUTS = ("text:string", "count:number=1", "flag?:boolean", "thing?:json", "items?:array", "upload?:file")
OUTPUTS = ("said:string", "got:json", "file:file")


@pytest.fixture(scope="module")
def echo(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A pipeline and its deployment of the same name, made by commands."""
    home = tmp_path_factory.mktemp("echo")
    with pytest.MonkeyPatch.context() as monkeypatch:
        shell = Shell(platform, home, monkeypatch)
        folder = shell.folder("code", SOURCE)
        declared = [word for text in INPUTS for word in ("--input", text)]
        declared += [word for text in OUTPUTS for word in ("--output", text)]
        done = shell("pipeline", "create", "echo", "--folder", folder, *declared)
        assert done.out == 'pipeline "echo": ready\n'
        assert shell("deployment", "create", "echo", "--pipeline", "echo").out == 'deployment "echo": up\n'
    yield "echo"
    platform.sdk.delete_pipeline("echo", force_deployments_deletion=True)


# --- pipelines ---


def test_pipelines_are_listed_shown_and_deleted(fresh: Shell) -> None:
    folder = fresh.folder("gone", "def main(x: int): return {'y': x}")
    made = fresh("pipeline", "create", "gone", "--folder", folder, "--json").json
    assert made["parameters"]["inputs"][0] == {"name": "x", "data_type": "number", "is_required": True}
    assert made["parameters"]["outputs"][0]["name"] == "y"
    assert ["gone", "ready"] in [row[:2] for row in fresh("pipeline", "list").rows]
    assert "gone" in [row["pipeline_name"] for row in fresh("pipeline", "list", "--json").json]
    shown = fresh("pipeline", "show", "gone").out
    assert "pipeline_name\tgone\n" in shown
    assert "\ninputs\nname\tdata_type\tis_required\nx\tnumber\tyes\n" in shown
    assert "The pipeline is ready." in fresh("pipeline", "logs", "gone").out
    fresh("deployment", "create", "gone-too", "--pipeline", "gone")
    fresh("deployment", "create", "gone-first", "--pipeline", "gone")
    refused = fresh("deployment", "delete", "gone-first", "--with-pipelines", status=1).err
    assert refused.startswith("pipeyard: nothing was deleted: gone-too would lose the pipeline too; ")
    fresh("deployment", "delete", "gone-first")
    refused = fresh("pipeline", "delete", "gone", status=1).err
    assert "gone-too" in refused
    assert "--with-deployments" in refused
    done = fresh("pipeline", "delete", "gone", "--with-deployments")
    assert done.out == 'deleted pipeline "gone" and deployments gone-too\n'
    assert fresh("pipeline", "show", "gone", status=1).err.startswith('pipeyard: no pipeline named "gone"; ')


def test_a_pipeline_that_cannot_be_built_says_why(fresh: Shell) -> None:
    folder = fresh.folder("broken", "def main(x): return {'y': x}", requirements_txt="no-such-package-anywhere==9")
    done = fresh("pipeline", "create", "broken", "--folder", folder, status=1)
    *log, line = done.err.splitlines()
    assert any("no-such-package-anywhere" in line for line in log)
    assert line.startswith('pipeyard: the creation of pipeline "broken" failed: the packages cannot be installed')
    assert done.out == ""


def test_lines_of_a_log_have_times_when_asked_for(shell: Shell, echo: str) -> None:
    plain = shell("pipeline", "logs", echo).out.splitlines()
    timed = shell("pipeline", "logs", echo, "--timestamps").out.splitlines()
    assert [line.partition("Z  ")[2] for line in timed] == plain
    assert [line["message"] for line in shell("pipeline", "logs", echo, "--json").json] == plain
    assert shell("pipeline", "logs", echo, "--limit", "1").out.splitlines() == plain[:1]


# --- deployments ---


def test_a_schedule_has_options_is_changed_paused_and_previewed(fresh: Shell) -> None:
    fresh("pipeline", "create", "ticking", "--folder", fresh.folder("ticking", "def main(): pass"))
    options = ["--time-zone", "Asia/Kathmandu", "--overlap", "skip", "--jitter", "5", "--catch-up", "60"]
    options += ["--schedule", "0 9 * * *", "--paused-until", "2150-01-01T00:00:00Z"]
    fresh("deployment", "create", "ticking", "--pipeline", "ticking", *options)
    assert fresh("deployment", "fire-times", "ticking", "--limit", "2").rows == [
        ["2150-01-01T03:15:00.000Z", "2150-01-01T09:00:00+05:45"],
        ["2150-01-02T03:15:00.000Z", "2150-01-02T09:00:00+05:45"],
    ]
    done = fresh("deployment", "schedule", "ticking", "30 9 * * *", "--time-zone", "UTC", "--overlap", "buffer_one")
    assert done.out == 'deployment "ticking": At 09:30 AM (UTC), next 2150-01-01T09:30:00.000Z\n'
    resumed = fresh("deployment", "schedule", "ticking", "--paused-until", "now", "--json").json
    assert resumed["next_fire_at"] < "2150"
    assert (resumed["schedule_overlap"], resumed["schedule_jitter_s"], resumed["schedule_catch_up_s"]) == (
        "buffer_one", 5, 60,
    )  # fmt: skip
    fresh("pipeline", "delete", "ticking", "--with-deployments")


def test_deployments_are_listed_shown_disabled_enabled_and_deleted(shell: Shell, echo: str) -> None:
    options = ["--mode", "low_latency", "--path", "other-path", "--parallel", "2", "--timeout", "9"]
    options += ["--endpoint-token", "chosen-token", "--description", "a\tb", "--map-input", "count=const:3"]
    options += ["--map-input", "text=endpoint:words", "--map-output", "file=null"]
    shell("deployment", "create", "other", "--pipeline", echo, *options)
    made = shell("deployment", "show", "other", "--json").json
    assert (made["endpoint_url_path"], made["endpoint_token"]) == ("other-path", "chosen-token")
    assert (made["max_parallel_executions_per_pod"], made["execution_timeout_s"]) == (2, 9)
    assert ["other", "up", "echo", "endpoint", "low_latency"] in [row[:5] for row in shell("deployment", "list").rows]
    shown = shell("deployment", "show", "other").out
    assert "chosen-token" not in shown
    assert "description\ta b\n" in shown
    assert shell("call", "other", "words=ab", "--json").json["outputs"]["said"] == "ababab"
    assert shell("deployment", "disable", "other").out == 'deployment "other": disabled\n'
    assert "is disabled" in shell("call", "other", "words=ab", status=1).err
    assert shell("deployment", "enable", "other").out == 'deployment "other": up\n'
    assert shell("deployment", "enable", "other", "--json").json["is_enabled"] is True
    assert "is up" in shell("deployment", "logs", "other").out
    assert shell("deployment", "delete", "other", "--json").json == {"name": "other", "execution_rule": "endpoint"}


def test_a_token_is_shown_renewed_and_chosen(shell: Shell, echo: str) -> None:
    first = shell("deployment", "token", echo).out.strip()
    assert first == shell.platform.sdk.get_deployment(echo)["endpoint_token"]
    assert shell("deployment", "token", echo, "--json").json == {"endpoint_token": first}
    second = shell("deployment", "token", echo, "--new").out.strip()
    assert second != first
    assert shell("deployment", "token", echo, "--set", "mine-and-only-mine").out == "mine-and-only-mine\n"
    shell("deployment", "token", echo, "--set", "-", stdin="from-standard-input\n")
    assert shell("deployment", "token", echo).out == "from-standard-input\n"


# --- calls and executions ---


def test_a_call_has_typed_inputs_a_log_and_outputs(shell: Shell, echo: str) -> None:
    Path("note.txt").write_text("!")
    values = ["text=ab", "count=2", "flag=true", 'thing={"a": [1]}', "items=[1, null]", "upload=@note.txt"]
    done = shell("call", echo, *values)
    assert done.err == "called with ab\n"
    assert done.out == 'said\tabab\ngot\t[true, {"a": [1]}, [1, null], "!"]\nfile\t5 bytes\n'


def test_a_call_takes_all_inputs_as_one_document(shell: Shell, echo: str) -> None:
    Path("inputs.json").write_text('{"text": "file", "count": 2}')
    for data, stdin, said in (
        ('{"text": "given"}', "", "given"),
        ("-", '{"text": "piped"}', "piped"),
        ("@inputs.json", "", "filefile"),
    ):
        assert shell("call", echo, "--data", data, "--json", stdin=stdin).json["outputs"]["said"] == said
    assert shell("call", echo, "-d", "@inputs.json", "text=over", "--json").json["outputs"]["said"] == "overover"


def test_a_string_input_may_come_from_a_file_and_look_like_anything(shell: Shell, echo: str) -> None:
    Path("text.txt").write_text("from a file")
    assert shell("call", echo, "text=@text.txt", "--json").json["outputs"]["said"] == "from a file"
    for text in ("12", "true", "null", "a=b", "", "é ü"):
        assert shell("call", echo, f"text={text}", "--json").json["outputs"]["said"] == text


def test_file_outputs_are_written_where_asked(shell: Shell, echo: str) -> None:
    done = shell("call", echo, "text=kept", "--output-dir", "results/deep", "--json").json
    assert done["outputs"]["file"] == "results/deep/file"
    assert Path("results/deep/file").read_text() == "kept"
    assert shell("call", echo, "text=kept", "--json").json["outputs"]["file"] == {"size_bytes": 4}


def test_a_failed_call_says_who_is_at_fault_on_one_line_after_its_log(shell: Shell, echo: str) -> None:
    done = shell("call", echo, "text=fail", status=1)
    *log, line = done.err.splitlines()
    assert log[0] == "called with fail"
    assert 'raise ValueError("as asked")' in done.err
    assert line.startswith("pipeyard: execution echo-")
    assert line.endswith("failed: ValueError: as asked")
    assert done.out == ""


def test_a_call_that_is_not_waited_for_gives_the_id_of_its_execution(shell: Shell, echo: str) -> None:
    execution_id = shell("call", echo, "text=later", "--no-wait").out.strip()
    found = eventually(lambda: (one := shell("execution", "show", execution_id, "--json").json)["end_date"] and one)
    assert found["status"] == "Succeeded"
    shown = shell("execution", "show", execution_id).out
    assert "status\tSucceeded\n" in shown
    assert "\noutputs\n" in shown
    assert shell("execution", "logs", execution_id).out == "called with later\n"
    assert shell("execution", "delete", execution_id).out == f'deleted execution "{execution_id}"\n'
    assert "no execution" in shell("execution", "show", execution_id, status=1).err


def test_the_reason_of_a_failure_is_shown(shell: Shell, echo: str) -> None:
    execution_id = shell("call", echo, "text=fail", "--no-wait").out.strip()
    eventually(lambda: shell("execution", "show", execution_id, "--json").json["status"] == "Failed")
    shown = shell("execution", "show", execution_id).out
    assert "message\tValueError: as asked\n" in shown


def test_executions_are_cancelled_each_on_its_own(shell: Shell, echo: str, needs: Callable[[str], None]) -> None:
    needs("/executions/{execution_id}/cancel")
    execution_id = shell("call", echo, "text=quick", "--json").json["execution_id"]
    told = shell("execution", "cancel", execution_id, "nobody", "--json", status=1)
    assert [row["name"] for row in told.json["failed"]] == [execution_id, "nobody"]
    assert "it is Succeeded" in told.err
    assert told.json["cancelled"] == []


def test_executions_are_listed(shell: Shell, echo: str, needs: Callable[[str], None]) -> None:
    needs("/executions")
    execution_id = shell("call", echo, "text=listed", "--json").json["execution_id"]
    row = shell("execution", "list", "--deployment", echo, "--limit", "1").rows[0]
    assert row[:4] == [execution_id, "Succeeded", "echo", "echo"]
    assert shell("execution", "list", "--status", "Skipped", "--pipeline", echo, "--json").json == []


# --- variables, data, metrics ---


def test_variables_are_set_listed_without_values_and_removed(shell: Shell) -> None:
    Path("value.txt").write_text("from a file\n")
    done = shell("env", "set", "CLI_A=1=2", "CLI_B=-", "CLI_C=@value.txt", stdin="from stdin\n")
    assert done.out == "set CLI_A\nset CLI_B\nset CLI_C\n"
    hidden = shell("env", "ls").out
    assert "CLI_A\t(hidden)\n" in hidden
    assert "from stdin" not in hidden
    assert {"name": "CLI_A", "value": None} in shell("env", "ls", "--json").json
    shown = dict(shell("env", "ls", "--show").rows)
    assert [shown[name] for name in ("CLI_A", "CLI_B", "CLI_C")] == ["1=2", "from stdin", "from a file"]
    assert shell("env", "rm", "CLI_A", "--json").json == {"deleted": ["CLI_A"], "failed": []}
    done = shell("env", "rm", "CLI_B", "CLI_A", "CLI_C", status=1)
    assert done.out == "deleted CLI_B\ndeleted CLI_C\n"
    assert done.err == 'pipeyard: no environment variable named "CLI_A"; `ls` shows what there is\n'
    assert "CLI_A" not in shell("env", "ls").out


def test_objects_are_put_listed_got_and_removed(shell: Shell, needs: Callable[[str], None]) -> None:
    needs("/data-store/upload")
    Path("a b.txt").write_bytes(b"\0content")
    assert shell("data", "put", "a b.txt", "cli/").out == "a b.txt is at cli/a b.txt\n"
    Path("a b.txt").rename("a\udcff.txt")  # no text, but a name of a file
    assert shell("data", "put", "a\udcff.txt", "cli/other").out == "a\\udcff.txt is at cli/other\n"
    rows = [row[:2] for row in shell("data", "ls", "cli/").rows]
    assert rows == [["cli/a b.txt", "8.00 B"], ["cli/other", "8.00 B"]]
    assert shell("data", "get", "cli/other").out == "cli/other is in other\n"
    assert Path("other").read_bytes() == b"\0content"
    Path("folder").mkdir()
    assert shell("data", "get", "cli/other", "folder", "--json").json["file"] == "folder/other"
    assert shell("data", "get", "cli/other", "-").out == "\0content"
    with Path("all.txt").open("w") as file:
        file.write("header")
        file.flush()
        shell.start("data", "get", "cli/other", "-", stdout=file).communicate(timeout=60)
        file.write("footer")
    assert Path("all.txt").read_text() == "header\0contentfooter"
    done = shell("data", "rm", "cli/a b.txt", "cli/nope", "cli/other", "--json", status=1).json
    assert done["deleted"] == [{"path": "cli/a b.txt"}, {"path": "cli/other"}]
    assert [one["name"] for one in done["failed"]] == ["cli/nope"]
    assert shell("data", "ls", "cli/", "--json").json == []


def test_metrics_of_executions_are_printed(fresh: Shell, needs: Callable[[str], None]) -> None:
    needs("/metrics/single-value")
    source = (
        "import json, os, urllib.request\n"
        "def send(method, path, body):\n"
        "    base = os.environ['CRAFT_AI_ENVIRONMENT_URL'] + '/api/v1'\n"
        "    def ask(url, method, body, headers={}):\n"
        "        headers = {'Content-Type': 'application/json', **headers}\n"
        "        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)\n"
        "        return urllib.request.urlopen(request).read()\n"
        "    token = json.loads(ask(os.environ['CRAFT_AI_CONTROL_URL'] + '/api/v1/auth/refresh', 'POST',\n"
        "                           {'refresh_token': os.environ['CRAFT_AI_SDK_TOKEN']}))['access_token']\n"
        "    ask(base + path, method, body, {'Authorization': 'Bearer ' + token})\n"
        "def main():\n"
        "    execution_id = os.environ['CRAFT_AI_EXECUTION_ID']\n"
        "    send('PUT', '/metrics/single-value/loss', {'value': 0.5, 'execution_id': execution_id})\n"
        "    send('POST', '/metrics/list-values/curve', {'values': [1, 2], 'execution_id': execution_id})\n"
    )
    folder = fresh.folder("measured", source)
    fresh("pipeline", "create", "measured", "--folder", folder)
    fresh("deployment", "create", "measured", "--pipeline", "measured")
    execution_id = fresh("call", "measured", "--json").json["execution_id"]
    rows = fresh("metrics", "--execution", execution_id).rows
    assert [row[:3] for row in rows] == [["loss", "0.5", execution_id], ["curve", "[1, 2]", execution_id]]
    document = fresh("metrics", "loss", "--deployment", "measured", "--json").json
    assert (document["metrics"][0]["value"], document["list_metrics"]) == (0.5, [])


def test_what_the_machine_does_is_printed(shell: Shell, needs: Callable[[str], None]) -> None:
    needs("/resource-metrics")
    assert "metrics" in shell("metrics", "--resources", "--since", "1h", "--json").json
    assert shell("metrics", "--resources").out.startswith("RESOURCE\tWORKER\t")
    assert "," in shell("metrics", "--resources", "--csv").out


def test_json_is_all_there_is_on_stdout(shell: Shell, echo: str) -> None:
    access = ["--environment-url", shell.platform.url, "--token", shell.platform.credentials["CRAFT_AI_SDK_TOKEN"]]
    for command in (
        ["pipeline", "list"],
        ["pipeline", "show", echo],
        ["deployment", "list"],
        ["deployment", "show", echo],
        ["deployment", "logs", echo],
        ["call", echo, "text=a"],
        ["call", echo, "text=a", "--no-wait"],
        ["env", "ls"],
        ["login", *access],
    ):
        json.loads(shell(*command, "--json").out)
