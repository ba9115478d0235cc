# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What site.yml applies and waits for, read from its own tasks, and written as files that every peer can read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.llmops.maas.plugins.module_utils._kube.documents import Manifest, read_sources
from ansible_collections.llmops.maas.plugins.module_utils._kube.yaml import dump_json, load_yaml
from ansible_collections.llmops.maas.plugins.module_utils._manifests.inputs import definition_sources, file_sources
from ansible_collections.llmops.maas.plugins.module_utils._manifests.transform import Transformation
from benchmarks import CHECKOUT
from benchmarks.bench import Bench
from benchmarks.processes import Command, execute
from benchmarks.servers import LOG, api_server
from tests.support.manifests_run import Run as ModuleRun

STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/no-provisioner",
}
WEBHOOKS = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})
DEFINITIONS = frozenset({"Namespace", "CustomResourceDefinition"})


@dataclass(frozen=True)
class Task:
    """One task of the collection as it ran: module, arguments, and whether it only rehearsed."""

    action: str
    name: str
    check: bool
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """Files that hold what site.yml installs: namespaces and CRDs, and all the rest, one of each per bundle.

    ``left_out`` names the objects that an API server without controllers refuses.
    """

    definitions: Path
    objects: Path
    size: int
    left_out: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        """All files in the order in which they can be applied."""
        return [*sorted(self.definitions.glob("*.yaml")), *sorted(self.objects.glob("*.yaml"))]


def mirror() -> Path:
    """The folder of upstream manifests: LLMOPS_MAAS_MIRROR, or the one that the embedded cluster assembled."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llmops-maas" / "mirror"
    found = Path(os.environ.get("LLMOPS_MAAS_MIRROR") or cache).resolve()
    if not list(found.glob("*.yaml")):
        raise RuntimeError("the benchmarks need the upstream manifests: run `make deploy`, or set LLMOPS_MAAS_MIRROR")
    return found


def recorded(command: Command, record: Path) -> list[Task]:
    """Run a playbook and read what its tasks were given."""
    enabled = {
        "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "benchmarks" / "callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "maas_record",
        "MAAS_RECORD": str(record),
    }
    execute(Command(command.argv, command.directory, {**command.environment, **enabled})).check()
    return [Task(**json.loads(line)) for line in record.read_text(encoding="utf-8").splitlines()]


def rehearsed_site(bench: Bench, kubeconfig: Path, **variables: Any) -> list[Task]:
    """The tasks of site.yml, run in check mode against a server on which nothing is installed."""
    directory = bench.folder("rehearsal")
    extra = {
        "embedded_cluster_enabled": False,
        "maas_kubeconfig": str(kubeconfig),
        "maas_mirror": str(mirror()),
        # The server has no nodes.
        "maas_gpu_shortage": "warn",
        **variables,
    }
    inventory = CHECKOUT / "inventories" / "embedded"
    command = ("ansible-playbook", "-i", inventory, "site.yml", "--check", "--extra-vars", json.dumps(extra))
    return recorded(bench.command(CHECKOUT, *command), directory / "record.jsonl")


def manifests_of(task: Task) -> list[Manifest]:
    """The objects that a task of the module ``manifests`` sends, after all its transformations."""
    arguments = task.arguments
    sources = [*definition_sources(arguments["definitions"]), *file_sources(arguments["files"])]
    found = read_sources(sources, Transformation(arguments))
    for manifest in found:
        manifest.namespace = manifest.namespace or arguments["namespace"] or ""
    return found


class _Dumper(yaml.CSafeDumper):
    """Writes texts of several lines as releases do: in blocks."""


def _text(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def portable(manifest: Manifest) -> bytes:
    """The object as YAML, as in a release, that PyYAML (kubernetes.core) reads as the API server does; else as JSON.

    All peers get the same text.
    """
    body = manifest.body()
    text = yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120).encode()
    if load_yaml(text) == body and yaml.load(text, Loader=yaml.CSafeLoader) == body:
        return text
    return dump_json(body) + b"\n"


def write_file(path: Path, manifests: Sequence[Manifest]) -> None:
    path.write_bytes(b"---\n".join([b"", *(portable(manifest) for manifest in manifests)]))


def site_content(bench: Bench) -> Content:
    """Everything that site.yml installs, but for webhook configurations: nothing answers them on a bare API server."""
    LOG.info("reading what site.yml installs")
    with api_server(bench.work) as server:
        server.request("POST", "/apis/storage.k8s.io/v1/storageclasses", STORAGE_CLASS)
        tasks = [task for task in rehearsed_site(bench, server.kubeconfig) if task.action == "manifests"]
        bundles = without_repeats(tasks)
        left_out = refused(ModuleRun(server), [manifest for bundle in bundles.values() for manifest in bundle])
    folder = bench.folder("content")
    content = Content(folder / "1-definitions", folder / "2-objects", 0, tuple(left_out))
    content.definitions.mkdir()
    content.objects.mkdir()
    size = 0
    for number, (bundle, manifests) in enumerate(bundles.items()):
        kept = [manifest for manifest in manifests if str(manifest.key) not in left_out]
        size += len(kept)
        for directory, wanted in ((content.definitions, True), (content.objects, False)):
            part = [manifest for manifest in kept if (manifest.kind in DEFINITIONS) == wanted]
            if part:
                write_file(directory / f"{number:02}-{bundle}.yaml", part)
    LOG.info("%d objects in %d bundles; left out: %s", size, len(bundles), ", ".join(left_out) or "none")
    return Content(content.definitions, content.objects, size, content.left_out)


def without_repeats(tasks: Sequence[Task]) -> dict[str, list[Manifest]]:
    """The objects by bundle, each object once, webhook configurations left out."""
    seen = set()
    bundles: dict[str, list[Manifest]] = {}
    for task in tasks:
        bundle = bundles.setdefault(str(task.arguments["bundle"]), [])
        for manifest in manifests_of(task):
            if manifest.kind not in WEBHOOKS and manifest.key not in seen:
                seen.add(manifest.key)
                bundle.append(manifest)
    return {name: bundle for name, bundle in bundles.items() if bundle}


def refused(module: ModuleRun, manifests: Sequence[Manifest]) -> list[str]:
    """The objects that the server does not take; they are parts of objects that a controller makes first."""
    left_out: list[str] = []
    while True:
        wanted = [manifest for manifest in manifests if str(manifest.key) not in left_out]
        texts = [manifest.payload.decode() for manifest in wanted]
        failures = module(*texts, bundle="trial", force_conflicts=True).failures
        if not failures:
            return left_out
        for failure in failures:
            LOG.info("left out: %s %s: %s", failure["kind"], failure["name"], failure["error"][:200])
        news = set(names_of(failures)) - set(left_out)
        if not news:
            raise RuntimeError(f"the API server refuses what cannot be left out: {failures}")
        left_out += sorted(news)


def names_of(failures: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for failure in failures:
        place = f"{failure['namespace']}/" if failure["namespace"] else ""
        yield f"{failure['kind']} {place}{failure['name']}"
