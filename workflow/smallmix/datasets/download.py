"""Fetches one file of known content from the first of several addresses that delivers it, resuming where it stopped.

What arrives goes to NAME.partial beside the target and gets its name only after its sha256 is verified. As the content
is known, a partial file may be continued from any address: a wrong joint shows in the hash.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http
import http.client
import os
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from smallmix.atomic_files import flush_folder
from smallmix.datasets.expected_file import ExpectedFile
from smallmix.datasets.local_sources import is_local, open_local
from smallmix.datasets.progress import Progress
from smallmix.datasets.proxies import Proxy, proxy_for
from smallmix.errors import DatasetError
from smallmix.fingerprints import fingerprint_file

CHUNK = 1 << 18
RANGE_NOT_SATISFIABLE = 416
PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class DownloadLimits:
    """When an address is given up.

    An attempt ends when less than `least_bytes` arrive within `stall_seconds`; an address is left after `attempts` such
    or other failures that brought no twentieth of the file, `pause_seconds` apart.
    """

    stall_seconds: float = 60.0
    least_bytes: int = 32 << 10
    attempts: int = 3
    pause_seconds: float = 2.0


class _AttemptError(Exception):
    """This attempt failed; `again` says whether the same address may still deliver."""

    def __init__(self, message: str, again: bool) -> None:
        super().__init__(message)
        self.again = again


def download(
    sources: Sequence[str], folder: Path, expected: ExpectedFile, advice: str, limits: DownloadLimits | None = None
) -> Path:
    """The path of the verified file `folder`/`expected.name`, downloaded from `sources` unless it is there already.

    Raises DatasetError with one message that says for each address what was tried and, with `advice`, how to place
    the file by hand. Progress goes to the standard error stream.
    """
    limits = limits or DownloadLimits()
    target = Path(folder) / expected.name
    if target.exists():
        if target.stat().st_size == expected.size and fingerprint_file(target) == expected.sha256:
            return target
        _tell(f"{target} is not the expected file (its sha256 differs); it is deleted and fetched again")
        target.unlink()
    manual = f"{advice}. {expected.in_words}"
    if not sources:
        raise DatasetError(f"{expected.name} is not there, and there is no address to fetch it from. {manual}")
    with _locked_partial(target, manual) as partial:
        _check_space(partial, target, expected, manual)
        tried: list[str] = []
        for source in sources:
            tried += _try_source(source, partial, target, expected, limits, manual)
            if target.exists():
                return target
    listing = "\n".join(f"  {line}" for line in tried)
    raise DatasetError(f"{expected.name} could not be fetched. What was tried:\n{listing}\n{manual}")


@contextlib.contextmanager
def _locked_partial(target: Path, manual: str) -> Iterator[IO[bytes]]:
    """The partial file, open for appending and locked against a second download; removed at the end if empty."""
    path = target.with_name(f"{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = open(path, "a+b", buffering=0)  # noqa: SIM115 (closed below)
    except OSError as fault:
        raise DatasetError(f"cannot write {path}: {fault.strerror}. {manual}") from fault
    with partial:
        try:
            fcntl.flock(partial, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.path.samestat(os.fstat(partial.fileno()), os.stat(path))
        except (BlockingIOError, FileNotFoundError):
            ours = False
        except OSError:  # some network file systems cannot lock; then one download at a time is the user's care
            ours = True
        if not ours:
            raise DatasetError(f"another process is downloading {target} right now; wait for it, then run again.")
        try:
            yield partial
        finally:
            with contextlib.suppress(OSError):
                if path.exists() and _size(partial) == 0 and path.is_file():
                    path.unlink()


def _try_source(
    source: str, partial: IO[bytes], target: Path, expected: ExpectedFile, limits: DownloadLimits, manual: str
) -> list[str]:
    """Fetch from one address; the file stands at `target` afterwards, or the lines returned say what went wrong."""
    tried: list[str] = []
    proxy = None if is_local(source) else proxy_for(source)
    if proxy is not None and (unusable := proxy.fault()):
        tried.append(f"{source}: {proxy.in_words} cannot be used: {unusable}; {proxy.remedy}")
        _tell(tried[-1])
        return tried
    failures = 0
    while failures < limits.attempts:
        if tried:
            time.sleep(limits.pause_seconds)
        if _size(partial) > expected.size:
            partial.truncate(0)
        begun_with = _size(partial)
        try:
            _receive(source, partial, expected, limits, manual)
            _accept(partial, target, expected, resumed=begun_with > 0)
            return tried
        except _AttemptError as fault:
            tried.append(f"{source}: {fault}{_through(proxy)}")
            _tell(tried[-1])
            if not fault.again:
                return tried
            failures = 0 if _size(partial) - begun_with > expected.size / 20 else failures + 1
    return tried


def _accept(partial: IO[bytes], target: Path, expected: ExpectedFile, resumed: bool) -> None:
    """Give the finished file its name if its content is the expected one, else delete what came."""
    partial.seek(0)
    actual = hashlib.file_digest(partial, "sha256").hexdigest()  # type: ignore[arg-type]
    if actual == expected.sha256:
        os.fsync(partial.fileno())
        os.replace(f"{target}.partial", target)
        flush_folder(target.parent)
        return
    partial.truncate(0)
    if resumed:
        raise _AttemptError("the file, resumed from an earlier part, has a wrong sha256; deleted, from the start", True)
    raise _AttemptError(f"delivers a file with the wrong sha256 {actual}; deleted", again=False)


def _receive(source: str, partial: IO[bytes], expected: ExpectedFile, limits: DownloadLimits, manual: str) -> None:
    """Append to the partial file what one request brings, until it has the expected size. Raises _AttemptError."""
    offset = _size(partial)
    if offset == expected.size:
        return
    if is_local(source):
        _receive_local(source, partial, expected, limits, manual)
        return
    headers = {"User-Agent": "smallmix", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        request = urllib.request.Request(source, headers=headers)
        with _opener().open(request, timeout=limits.stall_seconds) as response:
            _check_offer(response, partial, offset, expected)
            _copy(response.read1, source, partial, expected, limits, manual)
    except urllib.error.HTTPError as fault:
        fault.close()
        if fault.code == RANGE_NOT_SATISFIABLE and offset:
            partial.truncate(0)
            raise _AttemptError("cannot continue the part received so far (HTTP 416); from the start", True) from fault
        raise _AttemptError(f"HTTP {fault.code} {fault.reason}", fault.code in PASSING_STATUSES) from fault
    except TimeoutError as fault:
        raise _AttemptError(_stalled(partial, expected, limits), again=True) from fault
    except urllib.error.URLError as fault:
        if isinstance(fault.reason, TimeoutError):
            raise _AttemptError(f"no answer within {limits.stall_seconds:g} s", again=True) from fault
        raise _AttemptError(f"no connection: {fault.reason}", again=False) from fault
    except ValueError as fault:
        raise _AttemptError(f"not an http or https address: {fault}", again=False) from fault
    except http.client.InvalidURL as fault:
        raise _AttemptError(f"the address cannot be read: {fault}", again=False) from fault
    except http.client.BadStatusLine as fault:
        if isinstance(fault, http.client.RemoteDisconnected):
            raise _AttemptError("the connection was closed without an answer", again=True) from fault
        raise _AttemptError("what answers there does not speak HTTP", again=False) from fault
    except (http.client.HTTPException, OSError) as fault:
        raise _AttemptError(_cut(partial, expected, str(fault) or type(fault).__name__), again=True) from fault


def _receive_local(
    source: str, partial: IO[bytes], expected: ExpectedFile, limits: DownloadLimits, manual: str
) -> None:
    """Append to the partial file what it still lacks of a file of this machine. Raises _AttemptError."""
    try:
        with open_local(source) as stream:
            if (size := os.fstat(stream.fileno()).st_size) != expected.size:
                raise _AttemptError(f"is a file of {size:,} bytes, not of {expected.size:,}", again=False)
            stream.seek(_size(partial))
            _copy(stream.read, source, partial, expected, limits, manual)
    except ValueError as fault:
        raise _AttemptError(str(fault), again=False) from fault
    except OSError as fault:
        raise _AttemptError(f"cannot be read: {fault.strerror or fault}", again=False) from fault


def _check_offer(response: http.client.HTTPResponse, partial: IO[bytes], offset: int, expected: ExpectedFile) -> None:
    """Judge by the header whether the answer can be the file, and whether it continues the part or starts over."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != offset:
            partial.truncate(0)
            raise _AttemptError("answers with another range than the one asked for; from the start", again=True)
        offered = span[2]
    else:
        offered = response.headers.get("Content-Length", "")
    if offered.isdecimal() and int(offered) != expected.size:
        raise _AttemptError(f"offers a file of {int(offered):,} bytes, not of {expected.size:,}", again=False)
    if response.status != http.HTTPStatus.PARTIAL_CONTENT and offset:
        partial.truncate(0)


def _copy(
    read: Callable[[int], bytes],
    source: str,
    partial: IO[bytes],
    expected: ExpectedFile,
    limits: DownloadLimits,
    manual: str,
) -> None:
    done = _size(partial)
    progress = Progress(f"{expected.name} from {source}", expected.size, "MB", scale=1e6)
    window_start, window_bytes = time.monotonic(), 0
    try:
        while chunk := read(CHUNK):
            done += len(chunk)
            if done > expected.size:
                partial.truncate(0)
                raise _AttemptError(f"sends more than {expected.size:,} bytes; deleted", again=False)
            _append(partial, chunk, manual)
            progress.show(done)
            window_bytes += len(chunk)
            if time.monotonic() - window_start >= limits.stall_seconds:
                if window_bytes < limits.least_bytes and done < expected.size:
                    raise _AttemptError(_stalled(partial, expected, limits), again=True)
                window_start, window_bytes = time.monotonic(), 0
    finally:
        progress.close()
    if done < expected.size:
        raise _AttemptError(_cut(partial, expected, "nothing more came"), again=True)


def _append(partial: IO[bytes], chunk: bytes, manual: str) -> None:
    view = memoryview(chunk)
    try:
        while view:
            view = view[partial.write(view) :]
    except OSError as fault:
        raise DatasetError(
            f"cannot write {partial.name}: {fault.strerror}. What has arrived is kept; free some space and run again. "
            f"{manual}"
        ) from fault


def _check_space(partial: IO[bytes], target: Path, expected: ExpectedFile, manual: str) -> None:
    needed, free = expected.size - _size(partial), shutil.disk_usage(target.parent).free
    if free < needed:
        raise DatasetError(
            f"no space for {target}: {needed:,} bytes are needed, {free:,} are free in {target.parent}. Free "
            f"some space and run again. {manual}"
        )


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https addresses, through the system's proxy if it has one; no files, no FTP, also by redirects."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _through(proxy: Proxy | None) -> str:
    return "" if proxy is None else f" (asked through {proxy.in_words}; if that is wrong, {proxy.remedy})"


def _size(partial: IO[bytes]) -> int:
    return os.fstat(partial.fileno()).st_size


def _stalled(partial: IO[bytes], expected: ExpectedFile, limits: DownloadLimits) -> str:
    return (
        f"stalled: hardly anything came for {limits.stall_seconds:g} s, "
        f"after {_size(partial):,} of {expected.size:,} bytes"
    )


def _cut(partial: IO[bytes], expected: ExpectedFile, reason: str) -> str:
    return f"cut off after {_size(partial):,} of {expected.size:,} bytes ({reason})"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
