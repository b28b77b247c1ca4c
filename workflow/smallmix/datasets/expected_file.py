"""Files from outside of which only one content is accepted, known by its sha256."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from smallmix.errors import DatasetError


@dataclass(frozen=True)
class ExpectedFile:
    """The one content that is accepted: its usual name, sha256 (64 hexadecimal digits) and size in bytes."""

    name: str
    sha256: str
    size: int

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
        except OSError as fault:
            raise DatasetError(
                f"cannot read {path}: {fault.strerror}. Name the path of {expected.name} under {key} in the "
                f"configuration. {expected.in_words}"
            ) from fault
        if actual != expected.sha256:
            raise DatasetError(
                f"{path} (named under {key}) is not {expected.name}: its sha256 is {actual} ({size:,} bytes), so it "
                f"was not opened. {expected.in_words} Fetch it again."
            )
        yield stream
