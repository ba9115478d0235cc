# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relays discovery between Envoy and istiod: to each stream of Envoy's belongs one to istiod, as in pilot-agent.

Envoy's requests are passed on, its acceptance or refusal of a configuration included; so is the end of a stream, and
Envoy tries again after a while that becomes longer. Answers are passed on as ``Rewriting`` changes them. Beyond that
the relay sends a configuration again when something on this machine has changed that it depends on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from . import xds
from .places import Places
from .rewriting import Rewriting

LOG = logging.getLogger(__name__)

_OWN = "relay/"
_NO_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# Several places mostly change together.
_SETTLE_SECONDS = 0.1


@dataclass(frozen=True)
class Istiod:
    """``service``: its name and port in the cluster; ``token`` and ``ca`` are read anew for each connection."""

    service: str
    token: Path
    ca: Path
    places: Places

    def channel(self) -> grpc.aio.Channel:
        """A new connection. Raises OSError while there is nothing to connect to."""
        name, _colon, port = self.service.rpartition(":")
        places = self.places.local(name, int(port))
        if not places:
            raise ConnectionRefusedError(f"there is no Service {name} yet")
        credentials = grpc.ssl_channel_credentials(self.ca.read_bytes())
        options = [("grpc.ssl_target_name_override", name), *_NO_LIMIT]
        return grpc.aio.secure_channel("{}:{}".format(*places[0]), credentials, options=options)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token.read_text(encoding='utf-8').strip()}"),)


class Sent:
    """What istiod sent last over a stream, and what Envoy got of it."""

    def __init__(self, rewriting: Rewriting) -> None:
        self._rewriting = rewriting
        self._responses: dict[str, Any] = {}
        # By kind, then by name for those kinds of which istiod may send some alone
        self._known: dict[str, dict[str, list[Any]]] = {}
        self._passed: dict[str, dict[str, list[Any]]] = {}
        self._count = 0

    def answer(self, response: Any) -> list[Any]:
        """What Envoy gets for an answer of istiod: the same, and what else has changed by it."""
        kind = response.type_url
        self._responses[kind] = response
        fresh: dict[str, list[Any]] = {} if response.resources else {"": []}
        for item in response.resources:
            fresh.setdefault(self._rewriting.name(kind, item), []).append(item)
        self._known.setdefault(kind, {}).update(fresh)
        made = {name: self._rewriting.resources(kind, found) for name, found in fresh.items()}
        self._passed.setdefault(kind, {}).update(made)
        return [self._response(kind, response.nonce, made), *self.again()]

    def again(self) -> list[Any]:
        """Answers of the relay's own, with what would be sent otherwise now than it was."""
        answers = []
        for kind, known in self._known.items():
            former = self._passed[kind]
            made = {name: self._rewriting.resources(kind, found) for name, found in known.items()}
            changed = {name: found for name, found in made.items() if found != former[name]}
            if changed:
                former.update(changed)
                self._count += 1
                answers.append(self._response(kind, f"{_OWN}{self._count}", changed))
        return answers

    def _response(self, kind: str, nonce: str, resources: Mapping[str, list[Any]]) -> Any:
        response = xds.Response()
        response.CopyFrom(self._responses[kind])
        del response.resources[:]
        response.resources.extend(item for found in resources.values() for item in found)
        response.nonce = nonce
        return response

    def request(self, content: bytes) -> bytes:
        """A request of Envoy's for istiod, to whose own last answer it refers then."""
        request = xds.Request.FromString(content)
        if request.HasField("error_detail"):
            LOG.error("Envoy refuses %s: %s", request.type_url, request.error_detail.message)
        if not request.response_nonce.startswith(_OWN):
            return content
        request.response_nonce = self._responses[request.type_url].nonce
        return bytes(request.SerializeToString())


@dataclass(frozen=True)
class Stream:
    """One stream of Envoy's, and the one to istiod that belongs to it."""

    requests: AsyncIterator[bytes]
    envoy: Any
    istiod: Any
    sent: Sent
    changed: asyncio.Event
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def until_one_ends(self) -> None:
        """Raises what ends it, if that is an error."""
        parts = [asyncio.create_task(part) for part in (self._ask(), self._answer(), self._follow())]
        try:
            done, _others = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    async def _ask(self) -> None:
        async for content in self.requests:
            # The stream has ended: whoever reads from it says why.
            with contextlib.suppress(asyncio.InvalidStateError):
                await self.istiod.write(self.sent.request(content))

    async def _answer(self) -> None:
        async for content in self.istiod:
            async with self.writing:
                await self._write(self.sent.answer(xds.Response.FromString(content)))

    async def _follow(self) -> None:
        while await self.changed.wait():
            await asyncio.sleep(_SETTLE_SECONDS)
            self.changed.clear()
            async with self.writing:
                await self._write(self.sent.again())

    async def _write(self, answers: list[Any]) -> None:
        for answer in answers:
            await self.envoy.write(answer.SerializeToString())


class Relay:
    """The service that Envoy asks."""

    def __init__(self, istiod: Istiod, rewriting: Rewriting, places: Places) -> None:
        self._istiod = istiod
        self._rewriting = rewriting
        self._places = places

    async def serve(self, path: str) -> grpc.aio.Server:
        """Begins to answer on a socket of that path."""
        server = grpc.aio.server(options=_NO_LIMIT)
        handler: Any = grpc.stream_stream_rpc_method_handler(self._stream)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(xds.SERVICE, {xds.METHOD: handler}),))
        server.add_insecure_port(f"unix:{path}")
        await server.start()
        return server

    async def _stream(self, requests: AsyncIterator[bytes], context: Any) -> None:
        changed = asyncio.Event()
        self._places.listen(changed)
        try:
            async with self._istiod.channel() as channel:
                upstream: Any = channel.stream_stream(f"/{xds.SERVICE}/{xds.METHOD}")(metadata=self._istiod.metadata())
                await Stream(requests, context, upstream, Sent(self._rewriting), changed).until_one_ends()
        except (OSError, grpc.aio.AioRpcError) as error:
            why = error.details() if isinstance(error, grpc.aio.AioRpcError) else error
            LOG.warning("no connection to istiod: %s", why)
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(why))
        finally:
            self._places.forget(changed)
