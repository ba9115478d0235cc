# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model can do, by ``task`` of its catalogue entry. Routes, access rules and the verification follow from it.

The endpoints are those of vLLM's OpenAI server (https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

# What a group needs among its ``endpoints`` in ``maas_groups`` to reach an endpoint. Endpoints for inference answer a
# POST with usage, which token limits count; endpoints for models are read with GET.
EndpointClass = Literal["inference", "models"]
# Before the path of an endpoint; every endpoint is offered without the version as well.
VERSIONS = ("/v1", "")


@dataclass(frozen=True)
class ModelEndpoint:
    """An endpoint of a model's server: ``path`` without the version, such as ``chat/completions``."""

    path: str
    access: EndpointClass


_MODELS = ModelEndpoint("models", "models")


@dataclass(frozen=True)
class ModelTask:
    """A task of models.

    :param endpoints: endpoints of its servers, each of which gets a route.
    :param kinds: kinds of requests that prove who may use such a model, see KINDS of the module gateway_check.
    :param main: the one of them that stands for the model where a single request is enough: in the quick look, and for
        limits, tokens and wrong credentials.
    :param example: body of a first request to the endpoint of ``main``, without the name of the model.
    """

    endpoints: tuple[ModelEndpoint, ...]
    kinds: tuple[str, ...]
    main: str
    example: Mapping[str, Any]


TASKS: dict[str, ModelTask] = {
    "generate": ModelTask(
        endpoints=(ModelEndpoint("chat/completions", "inference"), ModelEndpoint("completions", "inference"), _MODELS),
        kinds=("chat", "completion", "stream", "models"),
        main="chat",
        example={"messages": [{"role": "user", "content": "Hello"}]},
    ),
    "embed": ModelTask(
        endpoints=(ModelEndpoint("embeddings", "inference"), _MODELS),
        kinds=("embeddings", "models"),
        main="embeddings",
        example={"input": "Hello"},
    ),
}
"""By name. The first is the default, and its models come first in examples."""


def task_of(model: Mapping[str, Any]) -> ModelTask:
    """The task of a complete entry of the catalogue."""
    return TASKS[model["task"]]


def ends(model: Mapping[str, Any], access: EndpointClass) -> list[str]:
    """What follows a model's path for its endpoints of a class, such as ``/v1/models`` and ``/models``."""
    found = [endpoint.path for endpoint in task_of(model).endpoints if endpoint.access == access]
    return [f"{version}/{path}" for path in found for version in VERSIONS]


def all_kinds() -> list[str]:
    """Every kind of request that a task uses, each once."""
    return list(dict.fromkeys(kind for task in TASKS.values() for kind in task.kinds))


def by_preference(models: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Models in the order in which their tasks are preferred for examples, else in their own."""
    names = list(TASKS)
    yield from sorted(models, key=lambda model: names.index(model["task"]))
