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
                f"cannot read {path}: {error.strerror}.{hint} Name the path of {expected.name} under {key} in the "
                f"configuration. {expected.requirement}"
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


def _md5() -> hashlib._Hash:
    """Return an md5 that recognises a file published with such a sum. Trust is never based on it."""
    return hashlib.md5(usedforsecurity=False)
