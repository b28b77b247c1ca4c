"""Protects people behind a proxy: where it is in the way, the message names it, the setting, and what to do."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from smallmix.datasets.addresses import proxies_for
from smallmix.errors import DatasetError

from tests.unit.datasets.test_download import CONTENT, Serve, fetch

UNREACHABLE = "http://example.invalid/archive.tar.gz"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the one that keeps proxies away: here each test sets its own."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """Start a server that answers every connection with the same bytes; return its host and port."""
    sockets: list[socket.socket] = []

    def start(answer: bytes) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        sockets.append(listening)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for listening in sockets:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def message(folder: Path, *sources: str) -> str:
    with pytest.raises(DatasetError) as caught:
        fetch(folder, *sources)
    return str(caught.value)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_that_does_not_answer_is_named_with_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    reported = message(tmp_path, UNREACHABLE)
    assert re.search(rf"no connection: .* \(asked through the proxy http://127\.0\.0\.1:9 \(of {name}\)", reported)
    assert f"correct or unset {name}, or name the host in no_proxy" in reported


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:port", "its port is not a number"),
        ("http://127.0.0.1:99999", "its port is not a number"),
        ("http://", "it names no host"),
        ("socks5://127.0.0.1:1080", "proxies of the kind socks5 are not supported"),
        ("http://[::1", "it is not an address"),
    ],
)
def test_a_proxy_that_cannot_be_one_is_reported_once_and_nothing_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    monkeypatch.setenv("http_proxy", address)
    reported = message(tmp_path, UNREACHABLE)
    assert reported.count(reason) == 1
    assert f"the proxy {address} (of http_proxy) cannot be used: {reason}" in reported
    assert "cut off" not in reported


def test_names_and_passwords_stay_out_of_the_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for address in ("http://me:s3cret@127.0.0.1:9", "me:s3cret@127.0.0.1:port", "http://me:s3c/ret@127.0.0.1:9"):
        monkeypatch.setenv("http_proxy", address)
        reported = message(tmp_path, UNREACHABLE) + capsys.readouterr().err
        assert "127.0.0.1" in reported
        for secret in ("me:", "s3c", "ret@"):
            assert secret not in reported, address


@pytest.mark.parametrize("status", [b"403 Forbidden", b"407 Proxy Authentication Required"])
def test_a_proxy_that_refuses_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answering: Callable[[bytes], str], status: bytes
) -> None:
    place = answering(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    monkeypatch.setenv("http_proxy", f"http://{place}")
    monkeypatch.setenv("https_proxy", place)
    for source in (UNREACHABLE, UNREACHABLE.replace("http:", "https:")):
        reported = message(tmp_path, source)
        assert status.decode() in reported
        assert place in reported


def test_a_proxy_that_speaks_something_else_is_not_reported_as_a_file_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answering: Callable[[bytes], str]
) -> None:
    place = answering(b"SSH-2.0-OpenSSH_9.6\r\n")
    monkeypatch.setenv("http_proxy", place)
    reported = message(tmp_path, UNREACHABLE)
    assert reported.count("what answers there does not speak HTTP (asked through the proxy") == 1
    assert "cut off" not in reported


def test_a_host_beside_the_proxy_is_not_blamed_on_it(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(CONTENT)
    monkeypatch.setenv("http_proxy", "127.0.0.1:port")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert "proxy" not in message(tmp_path, server.address("404"))
    assert fetch(tmp_path, server.address("good")).read_bytes() == CONTENT


def test_each_scheme_has_its_own_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("all_proxy", "http://other:3128")
    found = proxies_for("https://example.invalid/x")
    assert found.keys() == {"https"}
    assert found["https"].description == "the proxy http://proxy:3128 (of https_proxy)"
    assert found["https"].problem() is None


def test_an_address_with_a_port_of_letters_is_reported_once(tmp_path: Path) -> None:
    reported = message(tmp_path, "http://example.invalid:port/x")
    assert reported.count("http://example.invalid:port/x: is not an http or https address") == 1
    assert "cut off" not in reported
