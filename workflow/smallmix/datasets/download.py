"""A file from outside of which one content alone is accepted, known by its sha256: opened, or downloaded.

It is downloaded from the first address that delivers it, and what an earlier run left is continued. The content
arrives in NAME.partial and gets its name only after its sha256 is verified. A partial file may be continued from any
address, because a wrong joint shows in the sha256.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import requests
import urllib3
from filelock import FileLock, Timeout

from smallmix.atomic_files import flush_folder
from smallmix.datasets.addresses import Proxy, is_local, open_local, proxies_for, session_for
from smallmix.datasets.progress import Progress
from smallmix.errors import DatasetError
from smallmix.fingerprints import fingerprint_file

CHUNK = 1 << 18
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class ExpectedFile:
    """The one content that is accepted: its usual name, sha256 (64 hexadecimal digits) and size in bytes.

    `relatives` describes files that are easily taken for it, by their md5 (32 hexadecimal digits). None is accepted.
    """

    name: str
    sha256: str
    size: int
    relatives: Mapping[str, str] = field(default_factory=dict)

    @property
    def requirement(self) -> str:
        """Return the sentence of messages that names the content which is needed."""
        return f"Its sha256 must be {self.sha256} ({self.size:,} bytes)."


@dataclass(frozen=True)
class DownloadLimits:
    """When an address is given up.

    An attempt ends when less than `least_bytes` arrive within `stall_seconds`. An address is left after `attempts`
    failures, `pause_seconds` apart, that brought less than a twentieth of the file.
    """

    stall_seconds: float = 60.0
    least_bytes: int = 32 << 10
    attempts: int = 3
    pause_seconds: float = 2.0


class _AttemptError(Exception):
    """An attempt failed. `again` is true where the same address may still deliver."""

    def __init__(self, message: str, again: bool = False) -> None:
        super().__init__(message)
        self.again = again


@contextlib.contextmanager
def open_verified(path: Path, expected: ExpectedFile, key: str) -> Iterator[IO[bytes]]:
    """Open a file, verify its sha256, and hand out the same open file, at its start.

    Raises DatasetError where the file is missing or has another content; `key` is the configuration key that named it.
    """
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(open(path, "rb"))
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
            relative = None
            if sha256 != expected.sha256:
                stream.seek(0)
                relative = expected.relatives.get(hashlib.file_digest(stream, _md5).hexdigest())
        except OSError as error:
            hint = " A folder of image files is read with dataset.name: image-list." if path.is_dir() else ""
            raise DatasetError(
                f"cannot read {path}: {error.strerror}.{hint} Put {expected.name} there, or mend the path under {key} "
                f"in the configuration. {expected.requirement}"
            ) from error
        if relative:
            raise DatasetError(
                f"{path} (named under {key}) is {relative}, which is not read. Take {expected.name}. "
                f"{expected.requirement}"
            )
        if sha256 != expected.sha256:
            raise DatasetError(
                f"{path} (named under {key}) is not {expected.name}: its sha256 is {sha256} ({size:,} bytes), so it "
                f"was not opened. {expected.requirement} Fetch it again."
            )
        stream.seek(0)
        yield stream


def download(
    sources: Sequence[str], folder: Path, expected: ExpectedFile, advice: str, limits: DownloadLimits | None = None
) -> Path:
    """Return the path of the verified file `folder`/`expected.name`, downloaded unless it is there already.

    `sources` are http, https and file addresses, tried in order. Progress goes to the standard error stream. Raises
    DatasetError with one message that lists what was tried and, with `advice`, how to place the file by hand.
    """
    target = Path(folder) / expected.name
    if _is_there(target, expected):
        return target
    manual = f"{advice}. {expected.requirement}"
    if not sources:
        raise DatasetError(f"{expected.name} is not there, and there is no address to fetch it from. {manual}")
    partial_path = target.with_name(f"{target.name}.partial")
    # A soft lock (a file that exists) would outlive a killed download on another machine.
    lock = FileLock(target.with_name(f".{target.name}.lock"), fallback_to_soft=False)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock, target)
        if _is_there(target, expected):  # another process has just finished it
            return target
        with open(partial_path, "a+b", buffering=0) as partial:
            try:
                _Download(partial, target, expected, manual, limits or DownloadLimits()).fetch(sources)
            finally:
                if os.fstat(partial.fileno()).st_size == 0 and partial_path.is_file():
                    partial_path.unlink()
        return target
    except OSError as error:
        raise DatasetError(f"cannot write {partial_path}: {error.strerror}. {manual}") from error
    finally:
        lock.release()


def _md5() -> hashlib._Hash:
    """Return an md5 that recognises a file published with such a sum. Trust is never based on it."""
    return hashlib.md5(usedforsecurity=False)


def _is_there(target: Path, expected: ExpectedFile) -> bool:
    """Return whether the verified file is there. One of another content is deleted."""
    if not target.exists():
        return False
    if target.stat().st_size == expected.size and fingerprint_file(target) == expected.sha256:
        return True
    _report(f"{target} is not the expected file (its sha256 differs); it is deleted and fetched again")
    target.unlink()
    return False


def _acquire(lock: FileLock, target: Path) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DatasetError(
            f"another process is downloading {target} right now; wait for it, then run again."
        ) from error
    except OSError:
        pass  # some network file systems cannot lock; then one download at a time is the user's care


class _Download:
    """The partial file of one download, and what is expected of it."""

    def __init__(
        self, partial: IO[bytes], target: Path, expected: ExpectedFile, manual: str, limits: DownloadLimits
    ) -> None:
        self._partial, self._target, self._expected = partial, target, expected
        self._manual, self._limits = manual, limits

    def fetch(self, sources: Sequence[str]) -> None:
        """Put the verified file at its place. Raises DatasetError where no source delivers it."""
        needed, free = self._expected.size - self._size, shutil.disk_usage(self._target.parent).free
        if free < needed:
            raise DatasetError(
                f"no space for {self._target}: {needed:,} bytes are needed, {free:,} are free in "
                f"{self._target.parent}. Free some space and run again. {self._manual}"
            )
        failures: list[str] = []
        for source in sources:
            failures += self._try(source)
            if self._target.exists():
                return
        listing = "\n".join(f"  {line}" for line in failures)
        raise DatasetError(f"{self._expected.name} could not be fetched. What was tried:\n{listing}\n{self._manual}")

    @property
    def _size(self) -> int:
        return os.fstat(self._partial.fileno()).st_size

    def _try(self, source: str) -> list[str]:
        """Fetch from one address. The file stands at its place afterwards, or the returned lines say why not."""
        proxy = proxies_for(source).get(source.partition(":")[0].lower())
        if proxy and (problem := proxy.problem()):
            failures = [f"{source}: {proxy.description} cannot be used: {problem}; {proxy.remedy}"]
            _report(failures[0])
            return failures
        failures = []
        in_vain = 0
        while in_vain < self._limits.attempts:
            if failures:
                time.sleep(self._limits.pause_seconds)
            if self._size > self._expected.size:
                self._partial.truncate(0)
            begun_with = self._size
            try:
                if begun_with < self._expected.size:
                    (self._read_file if is_local(source) else self._request)(source)
                self._finish(resumed=begun_with > 0)
                return failures
            except _AttemptError as error:
                failures.append(f"{source}: {error}{_asked_through(proxy)}")
                _report(failures[-1])
                if not error.again:
                    return failures
                in_vain = 0 if self._size - begun_with > self._expected.size / 20 else in_vain + 1
        return failures

    def _finish(self, resumed: bool) -> None:
        """Give the complete file its name if its sha256 is the expected one, else empty it."""
        self._partial.seek(0)
        sha256 = hashlib.file_digest(self._partial, "sha256").hexdigest()  # type: ignore[arg-type]
        if sha256 != self._expected.sha256:
            self._partial.truncate(0)
            part = ", resumed from an earlier part," if resumed else ""
            raise _AttemptError(f"the file{part} has the wrong sha256 {sha256}; deleted", again=resumed)
        os.fsync(self._partial.fileno())
        os.replace(f"{self._target}.partial", self._target)
        flush_folder(self._target.parent)

    def _read_file(self, source: str) -> None:
        """Append what the partial file lacks of a file of this machine."""
        try:
            with open_local(source) as stream:
                self._check_size(os.fstat(stream.fileno()).st_size, "is")
                stream.seek(self._size)
                self._append(stream.read, source)
        except ValueError as error:
            raise _AttemptError(str(error)) from error
        except OSError as error:
            raise _AttemptError(f"cannot be read: {error.strerror or error}") from error

    def _request(self, source: str) -> None:
        """Append what one request brings of the bytes that the partial file lacks."""
        headers = {"User-Agent": "smallmix", "Accept-Encoding": "identity"}
        if self._size:
            headers["Range"] = f"bytes={self._size}-"
        try:
            with (
                session_for(source) as session,
                session.get(source, headers=headers, stream=True, timeout=self._limits.stall_seconds) as response,
            ):
                self._check_response(response)
                self._append(response.raw.read1, source)
        except (urllib3.exceptions.HTTPError, OSError) as error:  # the errors of requests are OSErrors
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> _AttemptError:
        """Return what went wrong with a request, and whether asking again may help."""
        cause = _innermost(error)
        if isinstance(error, ValueError):  # requests refuses the address
            return _AttemptError(f"is not an http or https address ({error})")
        if isinstance(error, requests.Timeout):
            return _AttemptError(f"no answer within {self._limits.stall_seconds:g} s", again=True)
        if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError):
            return self._stalled()
        if isinstance(cause, http.client.RemoteDisconnected):
            return _AttemptError("the connection was closed without an answer", again=True)
        if isinstance(cause, http.client.BadStatusLine):
            return _AttemptError("what answers there does not speak HTTP")
        if isinstance(error, requests.RequestException):
            return _AttemptError(f"no connection: {cause}")
        return self._cut(str(cause) or type(cause).__name__)

    def _check_response(self, response: requests.Response) -> None:
        """Check by status and header whether the answer can be the file; empty the partial file if it starts over."""
        status, offset = response.status_code, self._size
        total, span = response.headers.get("Content-Length", ""), response.headers.get("Content-Range", "")
        if status == http.HTTPStatus.PARTIAL_CONTENT and span.startswith(f"bytes {offset}-"):
            total = span.rpartition("/")[2]
        elif offset and status in (http.HTTPStatus.PARTIAL_CONTENT, http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            self._partial.truncate(0)
            raise _AttemptError(f"cannot continue the part received so far (HTTP {status}); from the start", again=True)
        elif status != http.HTTPStatus.OK:
            raise _AttemptError(f"HTTP {status} {response.reason}", status in TRANSIENT_STATUSES)
        if total.isdecimal():
            self._check_size(int(total), "offers")
        if status == http.HTTPStatus.OK and offset:
            self._partial.truncate(0)

    def _check_size(self, size: int, verb: str) -> None:
        if size != self._expected.size:
            raise _AttemptError(f"{verb} a file of {size:,} bytes, not of {self._expected.size:,}")

    def _append(self, read: Callable[[int], bytes], source: str) -> None:
        """Append what `read` gives, until it gives nothing more, too much, or too little for too long."""
        done, size = self._size, self._expected.size
        progress = Progress(f"{self._expected.name} from {source}", size, "MB", scale=1e6)
        window_start, window_bytes = time.monotonic(), 0
        with contextlib.closing(progress):
            while chunk := read(CHUNK):
                done += len(chunk)
                if done > size:
                    self._partial.truncate(0)
                    raise _AttemptError(f"sends more than {size:,} bytes; deleted")
                self._write(chunk)
                progress.show(done)
                window_bytes += len(chunk)
                if time.monotonic() - window_start >= self._limits.stall_seconds:
                    if window_bytes < self._limits.least_bytes and done < size:
                        raise self._stalled()
                    window_start, window_bytes = time.monotonic(), 0
        if done < size:
            raise self._cut("nothing more came")

    def _write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        try:
            while view:
                view = view[self._partial.write(view) :]
        except OSError as error:
            raise DatasetError(
                f"cannot write {self._partial.name}: {error.strerror}. What has arrived is kept; free some space and "
                f"run again. {self._manual}"
            ) from error

    def _stalled(self) -> _AttemptError:
        return _AttemptError(
            f"stalled: hardly anything came for {self._limits.stall_seconds:g} s, "
            f"after {self._size:,} of {self._expected.size:,} bytes",
            again=True,
        )

    def _cut(self, reason: str) -> _AttemptError:
        return _AttemptError(f"cut off after {self._size:,} of {self._expected.size:,} bytes ({reason})", again=True)


def _innermost(error: BaseException) -> BaseException:
    """Return what an error of requests or urllib3 was raised for: these libraries wrap each other's errors."""
    while True:
        inner = [getattr(error, "reason", None), *error.args, error.__cause__]
        cause = next((each for each in inner if isinstance(each, BaseException)), None)
        if cause is None:
            return error
        error = cause


def _asked_through(proxy: Proxy | None) -> str:
    return "" if proxy is None else f" (asked through {proxy.description}; if that is wrong, {proxy.remedy})"


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
