# Copyright (c) 2026, llmops.maas contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs are taken out of images in a real registry, and nothing but what its digests name is used."""

from __future__ import annotations

import itertools
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.llmops.embedded.plugins.module_utils._embedded import registry as registry_client
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.images import Images, take
from ansible_collections.llmops.embedded.plugins.module_utils._embedded.registry import (
    BrokenOffError,
    Reference,
    RegistryDownError,
    RegistryError,
)
from ansible_collections.llmops.embedded.plugins.modules import tools
from tests.support.image_registry import COMPRESSIONS, Files, Front, Repository, front, image_registry

PROGRAM = b"#!/bin/sh\necho tool v1.2.3\n"
PATH = "/usr/local/bin/tool"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with image_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def before(address: str) -> Iterator[Front]:
    with front(address) as running:
        yield running


_numbers = itertools.count(1)


@pytest.fixture
def repository(address: str) -> Repository:
    return Repository(address, f"tool{next(_numbers)}")


def got(repository: Repository, folder: Path, path: str = PATH, tag: str = "v1", digest: str = "") -> bytes:
    return take(Reference.parse(repository.reference(tag), digest), path, "amd64", folder).read_bytes()


def test_each_machine_gets_its_own_program(repository: Repository, tmp_path: Path) -> None:
    images = [
        repository.image([{"usr/local/bin/tool": name.encode()}], architecture=name) for name in ("arm64", "amd64")
    ]
    repository.index(images, "v1")
    for name in ("arm64", "amd64"):
        folder = tmp_path / name
        folder.mkdir()
        assert take(Reference.parse(repository.reference("v1")), PATH, name, folder).read_bytes() == name.encode()
    with pytest.raises(RegistryError, match="nothing for linux/s390x, only linux/amd64, linux/arm64"):
        take(Reference.parse(repository.reference("v1")), PATH, "s390x", tmp_path)


def test_an_image_without_an_index_must_be_for_this_machine(repository: Repository, tmp_path: Path) -> None:
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="v1", architecture="arm64")
    with pytest.raises(RegistryError, match="for linux/arm64, not for linux/amd64"):
        got(repository, tmp_path)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_layers_are_read_however_they_are_compressed(repository: Repository, tmp_path: Path, compression: str) -> None:
    content = random.Random(1).randbytes(3_000_000)
    repository.image([{"./usr/local/bin/tool": content}], tag="v1", compression=compression)
    assert got(repository, tmp_path) == content


NOWHERE = "no file /usr/local/bin/tool"
# Layers from the lowest on, and the content, or what the error says.
SEEN: dict[str, tuple[list[Files], bytes | str]] = {
    "the upper file": ([{"usr/local/bin/tool": b"old"}, {"usr/local/bin/tool": b"new"}, {"etc/x": b""}], b"new"),
    "removed": ([{"usr/local/bin/tool": b"old"}, {"usr/local/bin/.wh.tool": b""}], NOWHERE),
    "folder removed": ([{"usr/local/bin/tool": b"old"}, {"usr/.wh.local": b""}], NOWHERE),
    "folder emptied": ([{"usr/local/bin/tool": b"old"}, {"usr/local/.wh..wh..opq": b""}], NOWHERE),
    "folder emptied and filled": (
        [{"usr/local/bin/tool": b"old"}, {"usr/local/bin/tool": b"new", "usr/local/bin/.wh..wh..opq": b""}],
        b"new",
    ),
    "another one removed": ([{"usr/local/bin/tool": b"old"}, {"usr/local/bin/.wh.tools": b""}], b"old"),
    "removed and put back": (
        [{"usr/local/bin/tool": b"old"}, {"usr/local/bin/.wh.tool": b""}, {"usr/local/bin/tool": b"new"}],
        b"new",
    ),
    "folder that became a file": ([{"usr/local/bin/tool": b"old"}, {"usr/local": b"file"}], NOWHERE),
    "symlink to another layer": (
        [{"usr/local/bin/tool": ("symlink", "../../lib/tool")}, {"usr/lib/tool": b"there"}],
        b"there",
    ),
    "absolute symlink": (
        [{"usr/lib/tool": b"below"}, {"usr/local/bin/tool": ("symlink", "/usr/lib/tool")}],
        b"below",
    ),
    "symlink to what was removed": (
        [{"usr/lib/tool": b"x", "usr/local/bin/tool": ("symlink", "/usr/lib/tool")}, {"usr/lib/.wh.tool": b""}],
        "no file /usr/lib/tool",
    ),
    "folder that is a symlink": (
        [{"usr/local/bin": ("symlink", "/bin")}, {"bin/tool": b"in bin"}, {"etc/x": b""}],
        b"in bin",
    ),
    "symlinks in a circle": (
        [{"usr/local/bin/tool": ("symlink", "tool2"), "usr/local/bin/tool2": ("symlink", "tool")}],
        "too many links",
    ),
    "hard link": ([{"bin/a": b"linked", "usr/local/bin/tool": ("hardlink", "bin/a")}], b"linked"),
    "hard link to a lower layer": (
        [{"bin/a": b"linked"}, {"usr/local/bin/tool": ("hardlink", "bin/a"), "bin/.wh.a": b""}],
        "no file /bin/a",
    ),
    "a folder": ([{"usr/local/bin/tool": None}], "is no file"),
    "not there": ([{"usr/local/bin/other": b"x"}], NOWHERE),
}


@pytest.mark.parametrize(("layers", "seen"), SEEN.values(), ids=SEEN)
def test_files_are_those_that_a_container_sees(
    repository: Repository, tmp_path: Path, layers: list[Files], seen: bytes | str
) -> None:
    repository.image(layers, tag="v1")
    if isinstance(seen, bytes):
        assert got(repository, tmp_path) == seen
    else:
        with pytest.raises(RegistryError, match=seen):
            got(repository, tmp_path)


def test_layers_below_the_program_are_not_downloaded(before: Front, repository: Repository, tmp_path: Path) -> None:
    lower = repository.image([{"usr/lib/base": b"base"}])
    repository.image([{"usr/lib/base": b"base"}, {"usr/local/bin/tool": PROGRAM}], tag="v1")
    assert got(Repository(before.address, repository.name), tmp_path) == PROGRAM
    # Manifest, configuration, the upper layer
    assert len(before.requests) == 3
    assert lower["digest"] not in str(before.requests)


def test_a_pinned_digest_is_enforced(before: Front, repository: Repository, tmp_path: Path) -> None:
    first = repository.index([repository.image([{"usr/local/bin/tool": b"first"}])], "v1")
    repository.index([repository.image([{"usr/local/bin/tool": b"moved"}])], "v1")
    assert got(repository, tmp_path) == b"moved"
    assert got(repository, tmp_path, digest=first["digest"]) == b"first"
    with pytest.raises(RegistryError, match=r"has no manifests/sha256:0+: HTTP 404"):
        got(repository, tmp_path, digest=f"sha256:{'0' * 64}")
    # The registry answers with another image than the one that was asked for.
    before.change = lambda path, content: content.replace(b"schemaVersion", b"SchemaVersion")
    with pytest.raises(RegistryError, match=f"came for {first['digest']} has the digest sha256:.*not used"):
        got(Repository(before.address, repository.name), tmp_path, digest=first["digest"])


@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
def test_what_was_tampered_with_is_refused(before: Front, repository: Repository, tmp_path: Path, part: str) -> None:
    image = repository.image([{"usr/local/bin/tool": PROGRAM}], compression="")
    index = repository.index([image], "v1")
    marks = {"manifest": b'"size"', "config": b"diff_ids", "layer": b"echo tool"}
    spared = f"/manifests/{index['digest']}", "/manifests/v1"

    def change(path: str, content: bytes) -> bytes:
        mark = marks[part]
        return content if path.endswith(spared) else content.replace(mark, mark.swapcase())

    before.change = change
    images = Images(enabled=True)
    reference = Reference.parse(f"{before.address}/{repository.name}:v1")
    assert not images.fetch(reference, PATH, "amd64", tmp_path / "out" / "tool", lambda _file: "")
    assert len(images.notes) == 1
    assert "has the digest sha256:" in images.notes[0]
    assert "not used" in images.notes[0]
    assert list((tmp_path / "out").iterdir()) == []
    before.change = lambda _path, content: content
    assert images.fetch(reference, PATH, "amd64", tmp_path / "out" / "tool", lambda _file: "")
    assert (tmp_path / "out" / "tool").read_bytes() == PROGRAM


def test_a_tag_whose_manifest_has_another_digest_is_refused(
    before: Front, repository: Repository, tmp_path: Path
) -> None:
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="v1")
    before.change = lambda path, content: content + b"\n" if "/manifests/" in path else content
    with pytest.raises(RegistryError, match="not used"):
        got(Repository(before.address, repository.name), tmp_path)


@pytest.mark.parametrize("add", [b"more", b""])
def test_a_damaged_layer_is_named_by_its_digest(
    before: Front, repository: Repository, tmp_path: Path, add: bytes
) -> None:
    repository.image([{"usr/local/bin/tool": random.Random(2).randbytes(50_000)}], tag="v1")
    changed = {
        b"more": lambda content: content + add,
        b"": lambda content: content[:2] + b"\xff" * 510 + content[512:],
    }[add]
    before.change = lambda path, content: changed(content) if len(content) > 20_000 else content
    with pytest.raises(RegistryError, match="longer than" if add else "has the digest"):
        got(Repository(before.address, repository.name), tmp_path)


def test_an_anonymous_token_is_asked_for(before: Front, address: str, tmp_path: Path) -> None:
    repository = Repository(address, "tool")
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="v1")
    before.token = "anonymous-token"
    assert got(Repository(before.address, "tool"), tmp_path) == PROGRAM
    assert [path.partition("?")[0] for path, _token in before.requests].count("/token") == 1


def test_passwords_of_the_user_are_never_sent(
    before: Front, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="v1")
    images = Images(enabled=True)
    reference = Reference.parse(f"{before.address}/{repository.name}:v1")
    assert images.fetch(reference, PATH, "amd64", tmp_path / "tool", lambda _file: "")
    assert {authorization for _path, authorization in before.requests} == {""}


def test_a_registry_that_wants_a_login_is_named(before: Front, repository: Repository, tmp_path: Path) -> None:
    before.statuses = [401]
    with pytest.raises(RegistryError, match="wants a login"):
        got(Repository(before.address, repository.name), tmp_path)
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="v1")
    before.token = "not for this repository"
    with pytest.raises(RegistryError, match=r"no anonymous token from 127\.0\.0\.1: HTTP 400"):
        got(Repository(before.address, repository.name), tmp_path)


def test_a_token_does_not_go_where_blobs_are(before: Front, address: str, tmp_path: Path) -> None:
    Repository(address, "tool").image([{"usr/local/bin/tool": PROGRAM}], tag="v1")
    before.token = "anonymous-token"
    with front(address) as storage:
        before.elsewhere = storage.address.replace("127.0.0.1", "localhost")
        assert got(Repository(before.address, "tool"), tmp_path) == PROGRAM
        assert len(storage.requests) == 2
        assert {authorization for _path, authorization in storage.requests} == {""}


def test_what_fails_for_a_moment_is_asked_again(before: Front, repository: Repository, tmp_path: Path) -> None:
    repository.image([{"usr/local/bin/tool": random.Random(3).randbytes(100_000)}], tag="v1")
    before.statuses = [503, 429]
    assert len(got(Repository(before.address, repository.name), tmp_path)) == 100_000
    before.statuses = [503] * 10
    with pytest.raises(RegistryError, match="HTTP 503"):
        got(Repository(before.address, repository.name), tmp_path)


@pytest.mark.parametrize("with_length", [True, False])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_layer_that_breaks_off_is_asked_for_again(
    before: Front, repository: Repository, tmp_path: Path, compression: str, with_length: bool
) -> None:
    before.with_length = with_length
    content = random.Random(4).randbytes(3_000_000)
    repository.image([{"usr/local/bin/tool": content}], tag="v1", compression=compression)
    before.cut = 2
    assert got(Repository(before.address, repository.name), tmp_path) == content
    before.cut = 3
    with pytest.raises(BrokenOffError, match="broke off"):
        got(Repository(before.address, repository.name), tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [("127.0.0.1:1/x", "with a tag"), ("UPPER:v1", "with a tag"), ("x:v1@sha256:12", "no digest"), ("", "with a tag")],
)
def test_a_name_that_pins_nothing_is_refused(text: str, why: str) -> None:
    with pytest.raises(RegistryError, match=why):
        Reference.parse(text)


def test_names_are_those_of_container_engines() -> None:
    hub = Reference.parse("docker.io/istio/pilot:1.26.2")
    assert (hub.server, hub.repository, hub.tag) == ("https://registry-1.docker.io", "istio/pilot", "1.26.2")
    assert Reference.parse("alpine:3").repository == "library/alpine"
    assert Reference.parse("quay.io/kuadrant/x:v1").server == "https://quay.io"
    assert Reference.parse("localhost:5000/x:v1").server == "http://localhost:5000"


def test_nothing_goes_on_without_tls(monkeypatch: pytest.MonkeyPatch, before: Front, repository: Repository) -> None:
    """A registry with https that sends its client to http could be anybody from there on."""
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="v1")
    with registry_client.Registry(Reference.parse(f"{before.address}/{repository.name}:v1")) as client:
        plain = client._session.get

        def as_https(url: str, **options: Any) -> Any:
            return plain(url.replace("https://", "http://"), **options)

        monkeypatch.setattr(client._session, "get", as_https)
        with pytest.raises(RegistryError, match="redirects from https to http"):
            client._send(f"https://{before.address}/v2/", {})


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def entry(name: str, reference: str, **more: Any) -> dict[str, Any]:
    """An entry of the catalogue."""
    fields = {"name": name, "module": name, "package": f"example.com/{name}", "seconds": 1, "optional": False}
    return {**fields, "version_args": ["--version"], "image": {"reference": reference, "path": PATH}, **more}


@pytest.fixture
def parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Of the module, with a cache of its own and a Go that notes what it is asked to build."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(
        "#!/bin/sh\n[ $1 = version ] && echo go version go1.99 linux/amd64 && exit\n"
        f'echo "$@" >> {tmp_path}/asked\n'
        'while [ "$1" != -o ]; do shift; done\necho built > $2\nchmod +x $2\n'
    )
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("one", "two", "three"):
        folder = tmp_path / "source" / name
        folder.mkdir(parents=True)
        (folder / "go.mod").write_text(f"module m\n\ngo 1.24\n\nrequire example.com/{name} v1.2.3\n")
        (folder / "go.sum").write_text("")
    return {
        "source": tmp_path / "source",
        "paths": {},
        "download": "auto",
        "go_package": "1.26.6",
        "only": [],
        "prefetch": [],
        "unreachable": [],
        "tidy": False,
    }


def test_a_program_comes_from_its_image_and_then_from_the_cache(
    repository: Repository, parameters: dict[str, Any], tmp_path: Path
) -> None:
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="v1.2.3")
    parameters["tools"] = [entry("one", f"{repository.address}/{repository.name}:{{version}}")]
    first = tools.run(parameters, dry=False)
    assert [item["source"] for item in first["tools"]] == ["image"]
    assert first["notes"] == []
    assert Path(first["paths"]["one"]).read_bytes() == PROGRAM
    assert first["changed"]
    second = tools.run(parameters, dry=False)
    assert [item["source"] for item in second["tools"]] == ["cache"]
    assert second["paths"] == first["paths"]
    assert not second["changed"]
    assert not (tmp_path / "asked").exists()


def test_what_an_image_does_not_have_is_built(
    repository: Repository, parameters: dict[str, Any], tmp_path: Path
) -> None:
    repository.image([{"usr/local/bin/tool": b"#!/bin/sh\necho tool v1.2.4\n"}], tag="other")
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="good")
    parameters["tools"] = [
        entry(name, repository.reference(tag)) for name, tag in (("one", "other"), ("two", "none"), ("three", "good"))
    ]
    done = tools.run(parameters, dry=False)
    assert {item["name"]: item["source"] for item in done["tools"]} == {
        "one": "build",
        "two": "build",
        "three": "image",
    }
    assert len(done["notes"]) == 2
    assert "does not say that it is v1.2.3" in done["notes"][0]
    assert "the registry has no manifests/none: HTTP 404" in done["notes"][1]
    assert done["unreachable"] == []
    assert len((tmp_path / "asked").read_text().splitlines()) == 2
    # What was refused is not found in the cache either.
    kept = [path.name for path in (tmp_path / "cache").rglob("*-image/*")]
    assert kept == ["three"]


def test_never_asks_no_registry(before: Front, repository: Repository, parameters: dict[str, Any]) -> None:
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="v1")
    parameters |= {"tools": [entry("one", f"{before.address}/{repository.name}:v1")], "download": "never"}
    assert [item["source"] for item in tools.run(parameters, dry=False)["tools"]] == ["build"]
    assert before.requests == []


def test_registries_that_do_not_answer_cost_seconds_once(
    silent: str, repository: Repository, parameters: dict[str, Any]
) -> None:
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="v1")
    with socket.create_server(("127.0.0.1", 0)) as other:
        references = [f"{silent}/a:v1", f"{silent}/b:v1", f"127.0.0.1:{other.getsockname()[1]}/c:v1"]
        parameters["tools"] = [entry(*pair) for pair in zip(("one", "two", "three"), references, strict=True)]
        begin = time.monotonic()
        done = tools.run(parameters, dry=False)
        spent = time.monotonic() - begin
        assert spent < 5
        assert len(done["notes"]) == 2
        assert all("cannot be used" in note for note in done["notes"])
        assert {item["source"] for item in done["tools"]} == {"build"}
        # The action's next call says what this one found.
        left = Images(enabled=True, unreachable=set(done["unreachable"]))
        begin = time.monotonic()
        assert not left.fetch(Reference.parse(references[0]), PATH, "amd64", Path("/nowhere/x"), lambda _file: "")
        assert time.monotonic() - begin < 0.5
        # One that does answer is used all the same.
        assert left._reachable(Reference.parse(repository.reference("v1")))


def test_proxies_of_the_environment_are_used(
    before: Front, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy is asked for whole URLs; the one that is not there is named as such."""
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="v1")
    reference = Reference.parse(repository.reference("v1"))
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://{before.address}")
    assert take(reference, PATH, "amd64", tmp_path).read_bytes() == PROGRAM
    assert all(path.startswith(f"http://{repository.address}/v2/") for path, _token in before.requests)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed.getsockname()[1]}")
    images = Images(enabled=True)
    assert not images.fetch(reference, PATH, "amd64", tmp_path / "x", lambda _file: "")
    assert "the proxy cannot be used: " in images.notes[0]
    assert "refused" in images.notes[0]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert Images(enabled=True).fetch(reference, PATH, "amd64", tmp_path / "x", lambda _file: "")


def test_storage_that_does_not_answer_ends_the_registry(before: Front, repository: Repository, tmp_path: Path) -> None:
    repository.image([{"usr/local/bin/tool": PROGRAM}], tag="v1")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        before.elsewhere = f"127.0.0.1:{closed.getsockname()[1]}"
    reference = Reference.parse(f"{before.address}/{repository.name}:v1")
    images = Images(enabled=True)
    assert not images.fetch(reference, PATH, "amd64", tmp_path / "tool", lambda _file: "")
    assert images.unreachable == {before.address}
    assert "does not answer" in images.notes[0]
    asked = len(before.requests)
    assert not images.fetch(reference, PATH, "amd64", tmp_path / "tool", lambda _file: "")
    assert len(before.requests) == asked
    with pytest.raises(RegistryDownError):
        take(reference, PATH, "amd64", tmp_path)
