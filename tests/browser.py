"""A headless Chromium that tests talk to, by its DevTools protocol over two pipes: no port, no package."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = [
    f"--{name}"
    for name in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "disable-dev-shm-usage",
        "hide-scrollbars",
        "remote-debugging-pipe",
    )
]
LONGEST_WAIT = 300.0  # seconds, for one answer: a busy machine judges a long page for minutes


class Browser:
    """One page in one browser. Use it in a `with` block, which ends the process."""

    def __init__(self, profile: Path) -> None:
        assert BROWSER is not None
        read_here, write_there = os.pipe()
        read_there, self._to = os.pipe()
        self._from, self._buffer, self._number = read_here, b"", 0
        # Chromium reads commands from descriptor 3 and writes answers to descriptor 4.
        command = f'exec "$@" 3<&{read_there} 4>&{write_there}'
        self._process = subprocess.Popen(
            ["bash", "-c", command, "bash", BROWSER, *SWITCHES, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(read_there, write_there), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_there)
        os.close(write_there)
        self._session: str | None = None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        self.call("Page.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._to)
        os.close(self._from)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result. Raises RuntimeError where the browser refuses it."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        answer = self._next(lambda one: one.get("id") == self._number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def open(
        self, page: Path, width: int = 1280, height: int = 900, *, scheme: str = "light", script: bool = True
    ) -> None:
        """Load a file as a window of this width shows it, in a colour scheme, with or without scripts."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.emulate_media("screen", scheme)
        self.call("Page.navigate", url=page.resolve().as_uri())
        self._next(lambda one: one.get("method") == "Page.loadEventFired")

    def emulate_media(self, media: str, scheme: str = "light") -> None:
        """Show the page as `print` or `screen` does, in a colour scheme."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; promises are waited for. Raises RuntimeError where it throws."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"the page threw: {result['exceptionDetails']}")
        return result["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key, such as Tab or ArrowRight."""
        codes: Mapping[str, int] = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowRight": 39, "ArrowLeft": 37}
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key])

    def move_mouse(self, x: float, y: float) -> None:
        """Move the mouse to a place of the window, in CSS pixels."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, *, whole: bool = False) -> bytes:
        """Return a PNG of the window, or of the whole page."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def pdf(self) -> bytes:
        """Return the page as printed on A4 paper."""
        self.emulate_media("print")
        paper = {"paperWidth": 8.27, "paperHeight": 11.69}
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True, **paper)["data"])

    def _next(self, wanted: Any) -> dict[str, Any]:
        """Return the next message that is `wanted`. Others are dropped. Raises TimeoutError where none comes."""
        until = time.monotonic() + LONGEST_WAIT
        while True:
            while b"\0" in self._buffer:
                text, _, self._buffer = self._buffer.partition(b"\0")
                message: dict[str, Any] = json.loads(text)
                if wanted(message):
                    return message
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                raise TimeoutError("the browser gave no answer")
            got = os.read(self._from, 1 << 20)
            if not got:
                raise TimeoutError("the browser ended")
            self._buffer += got
