# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep an in-memory copy of some Kubernetes objects up to date: one list and one watch per source, never polling.

Protocol: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes . A source goes
on from its last resourceVersion after a dropped connection or a restart of the API server, and lists again only when
the server no longer has that version (HTTP 410). ``Watcher.snapshot`` and the ``resume`` argument carry copy and
versions over to another process, so that a wait may be cut into slices without listing again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.llmops.maas.plugins.module_utils._common.retry import attempts
from ansible_collections.llmops.maas.plugins.module_utils._kube.client import ApiError, KubeError
from ansible_collections.llmops.maas.plugins.module_utils._kube.objects import KubeObject, without_managed_fields

FIRST_DELAY = 0.05
LONGEST_DELAY = 2.0
# A server that starts answers 401, 403 or 404 for a moment, before it has read its rules and its CRDs.
REFUSALS_TOLERATED = 5
REFUSALS = frozenset({400, 401, 403, 404, 405, 422})
WATCH_SECONDS = 240
# How long to wait for the threads at the end of a wait.
ENDING_SECONDS = 1.0


class Reader(Protocol):
    """What a watcher needs of the adapter in ``_kube``."""

    def request(self, method: str, path: str, *, query: Mapping[str, Any] | None = None) -> Any:
        """Send one request and return its answer."""

    def watch(self, path: str, *, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Give each event of a watch as it comes."""

    def end_watches(self) -> None:
        """End the watches that are open."""


@dataclass(frozen=True)
class Source:
    """One list and watch.

    ``path`` is the path of the collection (``/apis/apps/v1/namespaces/llm/deployments``), ``query`` its selectors,
    ``keep`` reduces an object to what is needed of it before it is stored (and so keeps secrets out of snapshots).
    A source that is not ``required`` may be forbidden or absent; the wait goes on without it.
    """

    name: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    keep: Callable[[KubeObject], KubeObject] = without_managed_fields
    required: bool = True


def key_of(item: KubeObject) -> str:
    """``namespace/name`` (``/name`` for a cluster-wide object), unique within a source."""
    metadata = item.get("metadata", {})
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"


class Store:
    """The objects of all sources, by source name and key. Stored objects are replaced, never changed."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, KubeObject]] = {}
        self._changed = threading.Condition()
        self._version = 0

    def all(self, source: str) -> list[KubeObject]:
        """The objects of a source, in the order in which they appeared."""
        with self._changed:
            return list(self._objects.get(source, {}).values())

    def items(self, source: str) -> dict[str, KubeObject]:
        with self._changed:
            return dict(self._objects.get(source, {}))

    @property
    def version(self) -> int:
        """A number that grows with every change; hand it to ``wait_for_change``."""
        with self._changed:
            return self._version

    def wait_for_change(self, seen: int, seconds: float) -> bool:
        """Wait until something is newer than version ``seen``; False when ``seconds`` pass without it."""
        with self._changed:
            return self._changed.wait_for(lambda: self._version != seen, timeout=max(0.0, seconds))

    def replace(self, source: str, objects: Mapping[str, KubeObject]) -> None:
        with self._changed:
            self._objects[source] = dict(objects)
            self._note()

    def put(self, source: str, item: KubeObject) -> None:
        with self._changed:
            self._objects.setdefault(source, {})[key_of(item)] = item
            self._note()

    def drop(self, source: str, item: KubeObject) -> None:
        with self._changed:
            self._objects.get(source, {}).pop(key_of(item), None)
            self._note()

    def note(self) -> None:
        """Wake whoever waits, for example because a source broke."""
        with self._changed:
            self._note()

    def _note(self) -> None:
        self._version += 1
        self._changed.notify_all()


class _Feed:
    """Feeds one source into the store, in a thread of its own."""

    def __init__(self, reader: Reader, source: Source, store: Store, stop: threading.Event) -> None:
        self.source = source
        self.synced = threading.Event()
        self.trouble: KubeError | OSError | None = None
        self.broken = False
        self.version: str | None = None
        self._reader = reader
        self._store = store
        self._stop = stop
        self._refusals = 0

    def resume(self, version: str, objects: Mapping[str, KubeObject]) -> None:
        self._store.replace(self.source.name, objects)
        self.version = version
        self.synced.set()

    def run(self) -> None:
        delay = FIRST_DELAY
        while not self._stop.is_set() and not self.broken:
            began = time.monotonic()
            try:
                if self.version is None:
                    self._list()
                self._follow()
            except ApiError as error:
                self._judge(error)
            except (KubeError, OSError) as error:
                self.trouble = error
            # A stream that lasted is a sign of health; one that ended at once must not become a busy loop.
            delay = FIRST_DELAY if time.monotonic() - began > 1.0 else min(delay * 2, LONGEST_DELAY)
            self._stop.wait(delay)

    def _list(self) -> None:
        answer = self._reader.request("GET", self.source.path, query=dict(self.source.query))
        kept = [self.source.keep(item) for item in answer.get("items") or []]
        self._store.replace(self.source.name, {key_of(item): item for item in kept})
        self.version = answer["metadata"]["resourceVersion"]
        self._healthy()
        self.synced.set()
        self._store.note()

    def _healthy(self) -> None:
        self.trouble = None
        self._refusals = 0

    def _follow(self) -> None:
        query = {
            **self.source.query,
            "resourceVersion": self.version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        for event in self._reader.watch(self.source.path, query=query):
            self._healthy()
            self._take(event["type"], event["object"])
            if self._stop.is_set():
                return

    def _take(self, kind: str, item: KubeObject) -> None:
        if kind in {"ADDED", "MODIFIED"}:
            self._store.put(self.source.name, self.source.keep(item))
        elif kind == "DELETED":
            self._store.drop(self.source.name, item)
        # Last, so that a version is never ahead of the copy that it belongs to.
        self.version = item["metadata"]["resourceVersion"]

    def _judge(self, error: ApiError) -> None:
        """Decide what an error of the API server means: list again, give up, or just try again."""
        self.trouble = error
        if error.status == 410:
            self.version = None
        elif error.status in REFUSALS:
            self._refusals += 1
            if not self.synced.is_set() or self._refusals > REFUSALS_TOLERATED:
                self.broken = True
                self._store.note()


class WatchError(Exception):
    """A required source cannot be read; ``source`` says which, ``error`` why."""

    def __init__(self, source: Source, error: Exception) -> None:
        super().__init__(f"cannot watch {source.path}: {error}")
        self.source = source
        self.error = error


class Watcher:
    """All sources of one wait.

    ``resume`` is what ``snapshot`` of an earlier watcher returned: ``{source name: {"version": resourceVersion,
    "objects": {key: object}}}``; a source that is not in it is listed. Use it as a context manager: its threads and
    their connections end with it, for the slices of a wait may all run in one process.
    """

    def __init__(self, reader: Reader, sources: list[Source], resume: Mapping[str, Any] | None = None) -> None:
        self.store = Store()
        self._reader = reader
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._feeds = [_Feed(reader, source, self.store, self._stop) for source in sources]
        for feed in self._feeds:
            earlier = (resume or {}).get(feed.source.name)
            if earlier:
                feed.resume(earlier["version"], earlier["objects"])

    def __enter__(self) -> Watcher:
        for feed in self._feeds:
            thread = threading.Thread(target=feed.run, name=f"watch {feed.source.name}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        # More than once: a thread may just have been opening its watch. One that is still connecting is left behind.
        for _turn in attempts(ENDING_SECONDS, 0.0):
            if not any(thread.is_alive() for thread in self._threads):
                break
            self._reader.end_watches()
            for thread in self._threads:
                thread.join(0.01)

    def synced(self) -> bool:
        """Whether every source has been listed (or is known to be unreadable and not required)."""
        return all(feed.synced.is_set() or (feed.broken and not feed.source.required) for feed in self._feeds)

    def check(self) -> None:
        """Raise ``WatchError`` when a required source cannot be read and will not be by trying again."""
        for feed in self._feeds:
            if feed.broken and feed.source.required and feed.trouble is not None:
                raise WatchError(feed.source, feed.trouble)

    def troubles(self) -> list[str]:
        """What hinders the sources at the moment, for people; empty when all is well."""
        return [f"{feed.source.path}: {feed.trouble}" for feed in self._feeds if feed.trouble is not None]

    def snapshot(self) -> dict[str, Any]:
        """The copy and its versions as JSON-able data, see the class."""
        return {
            feed.source.name: {"version": feed.version, "objects": self.store.items(feed.source.name)}
            for feed in self._feeds
            if feed.synced.is_set() and feed.version is not None and not feed.broken
        }
