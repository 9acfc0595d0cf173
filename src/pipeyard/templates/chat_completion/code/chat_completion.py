"""Passes a conversation to an API that speaks the chat completions of OpenAI."""

import json
import os
import urllib.error
import urllib.request

TIMEOUT_S = 300
SHOWN_LENGTH = 500


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key must not follow a redirect to another host."""

    def redirect_request(self, *_):
        """Follow none: a redirect is an error."""


OPENER = urllib.request.build_opener(NoRedirect)


def complete(messages, system_prompt=None, temperature=None, max_tokens=None):
    """The answers of the model."""
    if system_prompt:
        messages = [{"role": "system", "content": system_prompt}, *messages]
    body = {"model": variable("OPENAI_MODEL"), "messages": messages}
    if temperature is not None:
        body["temperature"] = temperature
    if max_tokens is not None:
        body["max_tokens"] = int(max_tokens)
    answer = post(f"{variable('OPENAI_BASE_URL').rstrip('/')}/chat/completions", body)
    if not isinstance(answer, dict) or "choices" not in answer:
        raise RuntimeError("the API's answer has no choices; is OPENAI_BASE_URL right?")
    return {"choices": answer["choices"], "usage": answer.get("usage")}


def post(url, body):
    """The JSON of the answer. Raises RuntimeError with what the API says."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    key = os.environ.get("OPENAI_API_KEY")
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with OPENER.open(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(SHOWN_LENGTH).decode(errors="replace")
        raise RuntimeError(f"the API answered {error.code}: {said}") from None
    except urllib.error.URLError as error:
        raise RuntimeError(f"the API cannot be reached at OPENAI_BASE_URL: {error.reason}") from None
    except ValueError:
        raise RuntimeError("the API's answer is no JSON; is OPENAI_BASE_URL right?") from None


def variable(name):
    """The value of an environment variable. Raises RuntimeError."""
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"the environment variable {name} is not set; create it for this environment")
    return value
