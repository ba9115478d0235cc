# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of requests that a model answers, and what to expect of an answer (OpenAI's API, as vLLM serves it)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.llmops.maas.plugins.module_utils._common.guard import masked
from ansible_collections.llmops.maas.plugins.module_utils._gateway.http import Answer

EVENTS = "text/event-stream"
_END = "[DONE]"
_TEXT_LENGTH = 200
# What Envoy's RBAC filter answers (source/extensions/filters/http/rbac/rbac_filter.cc).
_SEALED = b"RBAC: access denied"
_SEAL_HINTS = {
    200: "the seal is open: what no policy has admitted is let through",
    401: "the Gateway has no seal; run site.yml with the tag istio",
    404: "the Gateway has no seal; run site.yml with the tag istio",
}


@dataclass(frozen=True)
class Kind:
    """One kind of request: where it goes below the model's path, its body, and what is wrong with an answer.

    ``problem`` judges an answer of the status ``judges``: it gets the answer and the model's names, any of which the
    answer may use. ``hints`` say what other statuses mean.
    """

    method: str
    endpoint: str
    body: Mapping[str, Any]
    problem: Callable[[Answer, Sequence[str]], str]
    judges: int = 200
    hints: Mapping[int, str] = field(default_factory=dict)


def payload(kind: Kind, model: str) -> bytes | None:
    """The body for a model by the name that it serves; None for a request without one."""
    return json.dumps({"model": model, **kind.body}).encode() if kind.body else None


def _chat(answer: Answer, names: Sequence[str]) -> str:
    content = _json(answer)
    message = _first(content.get("choices")).get("message")
    if not isinstance(message, dict) or "content" not in message:
        return "the answer is no chat completion"
    return _of_model(content, names) or _usage(content)


def _completion(answer: Answer, names: Sequence[str]) -> str:
    content = _json(answer)
    if "text" not in _first(content.get("choices")):
        return "the answer is no completion"
    return _of_model(content, names) or _usage(content)


def _embeddings(answer: Answer, names: Sequence[str]) -> str:
    content = _json(answer)
    vector = _first(content.get("data")).get("embedding")
    if not vector:
        return "the answer holds no embedding"
    return _of_model(content, names) or _usage(content)


def _models(answer: Answer, names: Sequence[str]) -> str:
    found = [item.get("id") for item in _json(answer).get("data") or [] if isinstance(item, dict)]
    missing = [name for name in names if name not in found]
    return f"the list of models does not hold {', '.join(missing)}" if missing else ""


def _list(answer: Answer, names: Sequence[str]) -> str:
    found = [str(item.get("id")) for item in _json(answer).get("data") or [] if isinstance(item, dict)]
    missing = [name for name in names if name not in found]
    others = [name for name in found if name not in names]
    problems = [f"does not hold {', '.join(missing)}"] if missing else []
    problems += [f"holds {', '.join(others)} as well"] if others else []
    return f"the list of models {' and '.join(problems)}" if problems else ""


def _stream(answer: Answer, names: Sequence[str]) -> str:
    if not answer.headers.get("content-type", "").startswith(EVENTS):
        return f"the answer does not stream: its type is {answer.headers.get('content-type', 'missing')}, not {EVENTS}"
    events = list(_events(answer.body))
    if not events or events[-1] != _END:
        return f"the stream does not end with {_END}"
    chunks = [_object(event) for event in events[:-1]]
    if not any(_first(chunk.get("choices")).get("delta") for chunk in chunks):
        return "the stream holds no chunk of an answer"
    # Limits on tokens count usage: a stream that hides it goes uncounted.
    if not any(_total(chunk) for chunk in chunks):
        return "the stream reports no usage unless it is asked to; start the model so that it always does"
    return _of_model(chunks[0], names)


def _seal(answer: Answer, _names: Sequence[str]) -> str:
    refused = answer.body.startswith(_SEALED)
    return "" if refused else f"something else than the seal has refused it: {describe_answer(answer)}"


def _echo(answer: Answer, names: Sequence[str]) -> str:
    """``names`` are headers that must not reach a backend; one that ends in a star is a prefix."""
    headers = _json(answer).get("headers")
    if not isinstance(headers, dict):
        return "the answer does not say which headers the backend got"
    wrong = [header for header in headers if any(_is_named(header, name) for name in names)]
    return f"the backend got {', '.join(sorted(wrong))}" if wrong else ""


def _is_named(header: str, name: str) -> bool:
    return header == name or (name.endswith("*") and header.startswith(name[:-1]))


def _any(_answer: Answer, _names: Sequence[str]) -> str:
    return ""


KINDS: dict[str, Kind] = {
    "chat": Kind(
        "POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}, _chat
    ),
    "completion": Kind("POST", "/v1/completions", {"prompt": "Hello", "max_tokens": 1}, _completion),
    "stream": Kind(
        "POST",
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2, "stream": True},
        _stream,
    ),
    "embeddings": Kind("POST", "/v1/embeddings", {"input": "Hello"}, _embeddings),
    "models": Kind("GET", "/v1/models", {}, _models),
    "list": Kind("GET", "/v1/models", {}, _list),
    "plain": Kind("GET", "", {}, _any),
    "seal": Kind("GET", "", {}, _seal, judges=403, hints=_SEAL_HINTS),
    "echo": Kind("GET", "", {}, _echo),
}


def describe_answer(answer: Answer) -> str:
    """What an answer says of itself, short: the message of an error, or the beginning of its text."""
    if answer.error:
        return answer.error
    content = _object(answer.body.decode("utf-8", "replace"))
    error = content.get("error")
    message = error.get("message") if isinstance(error, dict) else error or content.get("message")
    text = str(message or answer.body.decode("utf-8", "replace"))
    # It may quote the key of the request: covered before it is cut, which would leave half of it.
    return " ".join(masked(text).split())[:_TEXT_LENGTH]


def _events(body: bytes) -> Iterator[str]:
    for line in body.decode("utf-8", "replace").splitlines():
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()


def _json(answer: Answer) -> dict[str, Any]:
    return _object(answer.body.decode("utf-8", "replace"))


def _object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _first(items: Any) -> dict[str, Any]:
    return items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else {}


def _total(content: Mapping[str, Any]) -> int:
    usage = content.get("usage")
    return int(usage.get("total_tokens") or 0) if isinstance(usage, dict) else 0


def _usage(content: Mapping[str, Any]) -> str:
    return "" if _total(content) else "the answer reports no usage"


def _of_model(content: Mapping[str, Any], names: Sequence[str]) -> str:
    found = content.get("model")
    return "" if found in names else f"{found} answered, not {' or '.join(names)}"
