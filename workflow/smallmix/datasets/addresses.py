"""How an address is reached: as a file of this machine, through a proxy of the environment, or directly."""

from __future__ import annotations

import os
import ssl
import stat
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter

FILE_SCHEME = "file://"
WEB_SCHEMES = ("http", "https")


@dataclass(frozen=True)
class Proxy:
    """A proxy's address as it was given, and the setting that names it (an environment variable where known)."""

    address: str
    setting: str

    @property
    def description(self) -> str:
        """Return the proxy for messages, without the name and the password before its host."""
        scheme, separator, rest = self.address.rpartition("://")
        return f"the proxy {scheme}{separator}{rest.rpartition('@')[2]} (of {self.setting})"

    @property
    def remedy(self) -> str:
        """Return what to do where the proxy is the trouble."""
        return f"correct or unset {self.setting}, or name the host in no_proxy"

    def problem(self) -> str | None:
        """Return why no proxy can be at this address, or None."""
        try:
            parts = urlsplit(self.address if "://" in self.address else f"http://{self.address}")
            host, _port = parts.hostname, parts.port  # the port is read here: it raises where it is no number
        except ValueError as error:
            # Its text may quote the address, and so a password.
            return "its port is not a number" if "ort" in str(error) else "it is not an address"
        if parts.scheme not in WEB_SCHEMES:
            return f"proxies of the kind {parts.scheme} are not supported, only http and https"
        return None if host else "it names no host"


def proxies_for(source: str) -> Mapping[str, Proxy]:
    """Return the environment's http and https proxies by scheme; none for a file or a host of no_proxy."""
    try:
        place = urlsplit(source).netloc
        direct = is_local(source) or bool(place and urllib.request.proxy_bypass(place))
    except ValueError:
        direct = True
    found = {} if direct else urllib.request.getproxies()
    return {
        scheme: Proxy(found[scheme], _setting(scheme, found[scheme])) for scheme in WEB_SCHEMES if found.get(scheme)
    }


def session_for(source: str) -> requests.Session:
    """Return a session that asks as the standard library does: its proxies, and the system's certificates as well.

    Redirects lead to http and https addresses only. Passwords in ~/.netrc are not sent.
    """
    session = requests.Session()
    session.trust_env = False
    session.proxies = {scheme: proxy.address for scheme, proxy in proxies_for(source).items()}
    session.mount("https://", _AdapterWithSystemCertificates())
    return session


class _AdapterWithSystemCertificates(HTTPAdapter):
    """Trust the system's certificates beside those of certifi: a company's own ones stand there alone."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=ssl.create_default_context(), **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=ssl.create_default_context(), **options)


def is_local(source: str) -> bool:
    """Return whether an address names a file: file:///full/path."""
    return source[: len(FILE_SCHEME)].lower() == FILE_SCHEME


def open_local(source: str) -> IO[bytes]:
    """Open the regular file at a file:// address.

    Raises ValueError where the address names another machine, no full path, or no regular file; OSError where the file
    cannot be opened.
    """
    host, slash, rest = source[len(FILE_SCHEME) :].partition("/")
    path = slash + unquote(rest)
    if not rest or "\0" in path:
        raise ValueError("names no file; write file:///full/path")
    if host.lower() not in ("", "localhost"):
        raise ValueError(f"names the machine {host!r}; a file needs its full path behind three slashes: file:///…")
    # Without O_NONBLOCK, a pipe without a writer keeps open waiting.
    stream = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115 (returned)
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise ValueError("is not a regular file")
    return stream


def _setting(scheme: str, address: str) -> str:
    names = [name for name in sorted(os.environ) if name.lower() == f"{scheme}_proxy"]
    return next((name for name in reversed(names) if os.environ[name] == address), "the system's settings")
