"""Which proxy of the environment stands between here and an address, and in what words to name it."""

from __future__ import annotations

import os
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

SCHEMES = ("http", "https")


@dataclass(frozen=True)
class Proxy:
    """A proxy's address as it was given, and the setting that names it (an environment variable where known)."""

    address: str
    setting: str

    @property
    def in_words(self) -> str:
        """The proxy for messages; a name and a password before its host are left out."""
        scheme, separator, rest = self.address.rpartition("://")
        return f"the proxy {scheme}{separator}{rest.rpartition('@')[2]} (of {self.setting})"

    @property
    def remedy(self) -> str:
        """What to do where the proxy is the trouble."""
        return f"correct or unset {self.setting}, or name the host in no_proxy"

    def fault(self) -> str | None:
        """Why no proxy can be at this address, or None."""
        try:
            parts = urlsplit(self.address if "://" in self.address else f"http://{self.address}")
            host, _port = parts.hostname, parts.port  # the port is read here: it raises where it is no number
        except ValueError as fault:
            # Its text may quote the address, and so a password.
            return "its port is not a number" if "ort" in str(fault) else "it is not an address"
        if parts.scheme not in SCHEMES:
            return f"proxies of the kind {parts.scheme} are not supported, only http and https"
        return None if host else "it names no host"


def proxy_for(source: str) -> Proxy | None:
    """The proxy through which urllib asks for the address `source`, or None where it asks the host itself."""
    try:
        parts = urlsplit(source)
        host = parts.hostname or ""
    except ValueError:
        return None
    address = urllib.request.getproxies().get(parts.scheme)
    # Like urllib's own handler, which asks with the host and the port as they stand in the address.
    if not address or parts.scheme not in SCHEMES or (host and urllib.request.proxy_bypass(parts.netloc)):
        return None
    names = [name for name in sorted(os.environ) if name.lower() == f"{parts.scheme}_proxy"]
    setting = next((name for name in reversed(names) if os.environ[name] == address), "the system's settings")
    return Proxy(address, setting)
