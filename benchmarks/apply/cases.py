# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""First and repeated apply of everything that site.yml installs, on API servers without controllers."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.apply.peers import AGAIN, FIRST, PEERS, Files, Peer
from benchmarks.bench import ALONE, Bench, Build, Sample, by_task, contest, measure, row
from benchmarks.processes import Command, CommandError, execute
from benchmarks.recording import Content, site_content
from benchmarks.servers import LOG, api_server, settle
from tests.support.api_server import ApiServer

WHAT = "everything that site.yml installs"


def builder(bench: Bench, peer: Peer, files: Files) -> Build:
    def build(kubeconfig: Path) -> Command:
        return peer(bench, files, kubeconfig)

    return build


_CONTENT: dict[Path, Content] = {}


def shared_content(bench: Bench) -> Content:
    """The content, read once per invocation."""
    if bench.work not in _CONTENT:
        _CONTENT[bench.work] = site_content(bench)
    return _CONTENT[bench.work]


def apply_first(bench: Bench) -> list[dict[str, Any]]:
    """Each run on a new API server."""
    content = shared_content(bench)
    files = Files(content.objects, content.definitions)

    def once(peer: str, counting: bool) -> Sample:
        if peer == ALONE:
            return alone(bench, counting=counting)
        with api_server(bench.work) as server:
            return measure(server, builder(bench, FIRST[peer], files), counting=counting)

    samples = contest("apply-first", PEERS, bench.large_runs, once)
    return [row("apply-first", content.size, by_task(samples), what=WHAT, left_out=list(content.left_out))]


def apply_no_change(bench: Bench) -> list[dict[str, Any]]:
    """Each peer on an API server of its own, to which it has applied everything before."""
    content = shared_content(bench)
    files = Files(content.objects, content.definitions)
    with ExitStack() as stack:
        servers: dict[str, ApiServer] = {}
        for peer in FIRST:
            servers[peer] = stack.enter_context(api_server(bench.work))
            LOG.info("apply-no-change, preparing %s", peer)
            execute(FIRST[peer](bench, files, servers[peer].kubeconfig)).check()
        # A second time with caches for this address, as every later run has them.
        for peer, server in servers.items():
            until_unchanged(AGAIN[peer](bench, files, server.kubeconfig))
            settle([process.pid for process in server.processes])

        def once(peer: str, counting: bool) -> Sample:
            if peer == ALONE:
                return alone(bench, counting=counting)
            return measure(servers[peer], builder(bench, AGAIN[peer], files), counting=counting)

        samples = contest("apply-no-change", PEERS, bench.runs, once)
    return [row("apply-no-change", content.size, by_task(samples), what=WHAT, left_out=list(content.left_out))]


def alone(bench: Bench, *, counting: bool) -> Sample:
    """``ansible-playbook`` with a task that does nothing; it talks to no server."""
    run = execute(bench.alone(bench.work), sample=counting).check()
    return Sample(peak_mb=run.peak_mb) if counting else Sample(seconds=run.seconds)


def changes(output: str) -> bool:
    """Whether a playbook reports a change; kubectl's output is never looked at, for it does not say."""
    return "changed=" in output and "changed=0" not in output


def unchanged(output: str) -> None:
    """Raise when a playbook of a repeated apply reports a change: it would not be a no-change run."""
    if changes(output):
        tasks = re.findall(r"^TASK \[(.*)\] \**\n(?:(?:ok|skipping).*\n)*changed:", output, flags=re.MULTILINE)
        raise CommandError(f"a repeated apply changed something: {'; '.join(tasks) or output[-2000:]}")


def until_unchanged(command: Command) -> None:
    """Repeat an apply until it changes nothing: kubernetes.core changes a few objects once more the second time."""
    for _attempt in range(2):
        if not changes(execute(command).check().output):
            return
    unchanged(execute(command).check().output)
