"""What several tests of the datasets share: archives in CIFAR-10's format, and servers with bad manners."""

from __future__ import annotations

import hashlib
import io
import ssl
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from smallmix.datasets.download import ExpectedFile

from tests.unit.datasets.bad_server import BadServer
from tests.unit.datasets.small_archive import FOLDER, small_members

MakeArchive = Callable[..., tuple[Path, ExpectedFile]]


@pytest.fixture
def make_archive(tmp_path: Path) -> MakeArchive:
    """Write a small archive in CIFAR-10's format; return its path and what is expected of it."""

    def make() -> tuple[Path, ExpectedFile]:
        path = tmp_path / "small.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            folder = tarfile.TarInfo(FOLDER)
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            for member, content in small_members().items():
                header = tarfile.TarInfo(member)
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))
        content = path.read_bytes()
        return path, ExpectedFile(path.name, hashlib.sha256(content).hexdigest(), len(content))

    return make


@pytest.fixture
def serve() -> Iterator[Callable[..., BadServer]]:
    """Start a server of a content; it stops with the test."""
    servers: list[BadServer] = []

    def start(content: bytes, tls: ssl.SSLContext | None = None) -> BadServer:
        servers.append(BadServer(content, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's proxy must not stand between a test and its own server."""
    monkeypatch.setenv("no_proxy", "*")
