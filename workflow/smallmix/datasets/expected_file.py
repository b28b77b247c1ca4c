"""Files from outside of which only one content is accepted, known by its sha256."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from smallmix.errors import DatasetError


@dataclass(frozen=True)
class ExpectedFile:
    """The one content that is accepted: its usual name, sha256 (64 hexadecimal digits) and size in bytes.

    `relatives` are files that people take for it: what each is, by its md5 (32 hexadecimal digits). None is accepted.
    """

    name: str
    sha256: str
    size: int
    relatives: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_words(self) -> str:
        """What the file must be, for messages."""
        return f"Its sha256 must be {self.sha256} ({self.size:,} bytes)."


@contextlib.contextmanager
def opened_verified(path: Path, expected: ExpectedFile, key: str) -> Iterator[IO[bytes]]:
    """The opened file, at its start, once its sha256 is the expected one; the same open file is hashed and handed out.

    Raises DatasetError where the file is missing or has another content; `key` is the configuration key that named it.
    """
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(open(path, "rb"))
            actual = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
            stream.seek(0)
            relative = (
                expected.relatives.get(_md5(stream)) if expected.relatives and actual != expected.sha256 else None
            )
            stream.seek(0)
        except OSError as fault:
            hint = " A folder of image files is read with dataset.name: image-list." if path.is_dir() else ""
            raise DatasetError(
                f"cannot read {path}: {fault.strerror}.{hint} Name the path of {expected.name} under {key} in the "
                f"configuration. {expected.in_words}"
            ) from fault
        if relative:
            raise DatasetError(
                f"{path} (named under {key}) is {relative}, which is not read. Take {expected.name}. "
                f"{expected.in_words}"
            )
        if actual != expected.sha256:
            raise DatasetError(
                f"{path} (named under {key}) is not {expected.name}: its sha256 is {actual} ({size:,} bytes), so it "
                f"was not opened. {expected.in_words} Fetch it again."
            )
        yield stream


def _md5(stream: IO[bytes]) -> str:
    """Only to recognise a file that was published with this sum, never to trust one."""
    digest = hashlib.md5(usedforsecurity=False)
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
