"""Protects people whose company or mirror has its own certificates: those of the system count as before."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from smallmix.errors import DatasetError

from tests.unit.datasets.test_download import CONTENT, fetch

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl is not there")
SETTINGS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of this machine, in one file with its key."""
    path = tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key.pem"), "-out", str(path)]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return path


@pytest.fixture
def server(certificate: Path, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """An https server with that certificate, which no store of certificates knows."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return serve(CONTENT, tls)


def test_an_unknown_certificate_is_refused_and_named(server: Any, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no connection: .*certificate verify failed"):
        fetch(tmp_path / "downloads", server.address("good"))


def test_a_certificate_of_the_system_is_trusted(
    server: Any, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert fetch(tmp_path / "downloads", server.address("cut")).read_bytes() == CONTENT
