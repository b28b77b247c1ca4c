"""An HTTP server with bad manners, for tests of downloads."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
import time
from typing import Any


class BadServer:
    """Serves one content under several addresses, each with its own manners; notes every request.

    good: answers ranges. ignores-range: always sends all. cut: sends at most a third, then closes. no-progress: closes
    at once. stall: sends a third, then nothing. trickle: a byte now and then. wrong: other bytes of the same size.
    short and long: another size, announced. page: a short page, whatever is asked. endless: sends too much,
    unannounced. other-range: answers a range not asked for. refuses-range: 416 to every range. redirect: to good, or
    to `redirect_to`. Numbers: that HTTP status.
    """

    def __init__(self, content: bytes, tls: ssl.SSLContext | None = None) -> None:
        self.content = content
        self.requests: list[tuple[str, str | None]] = []
        self.released = threading.Event()
        self.redirect_to = ""
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path[1:], self.headers.get("Range")))
                server.answer(self, self.path[1:], self.headers.get("Range"))

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def address(self, manners: str) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}/{manners}"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, handler: http.server.BaseHTTPRequestHandler, manners: str, asked: str | None) -> None:
        content, start = self.content, 0
        if manners.isdecimal():
            return handler.send_error(int(manners))
        if manners == "redirect":
            return self._head(handler, 302, {"Location": self.redirect_to or self.address("good")})
        if manners == "refuses-range" and asked:
            return handler.send_error(416)
        if manners == "page":
            content, asked = b"<html>Log in first</html>", None
        elif manners == "wrong":
            content = bytes(len(content))
        elif manners == "short":
            content = content[:-1]
        elif manners == "long":
            content += b"!"
        if asked and manners != "ignores-range":
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return handler.send_error(416)
            if manners == "other-range":
                start = 0
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._head(handler, 206, {"Content-Length": str(len(content) - start), "Content-Range": span})
        else:
            announced = {} if manners == "endless" else {"Content-Length": str(len(content))}
            self._head(handler, 200, announced)
        with contextlib.suppress(OSError):
            self._send(handler, manners, content[start:])
        return None

    def _send(self, handler: http.server.BaseHTTPRequestHandler, manners: str, rest: bytes) -> None:
        if manners in ("cut", "stall"):
            handler.wfile.write(rest[: len(self.content) // 3])
            if manners == "stall":
                self.released.wait(20)
        elif manners == "trickle":
            for byte in rest:
                handler.wfile.write(bytes([byte]))
                if self.released.is_set():
                    break
                time.sleep(0.01)
        elif manners == "endless":
            handler.wfile.write(rest + rest)
        elif manners != "no-progress":
            handler.wfile.write(rest)

    def _head(self, handler: http.server.BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.end_headers()
