"""A data set that others published as files of known content: taken from the disk or downloaded, verified, then read.

No byte of a file is interpreted before the file's sha256 is verified. What follows needs few checks of its own.
"""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smallmix.datasets.array_writing import DatasetArrays
from smallmix.datasets.download import ExpectedFile, download, open_verified
from smallmix.errors import DatasetError
from smallmix.study.known_datasets import KNOWN_DATASETS, LOCAL_FILES


class LabelledImages(NamedTuple):
    """What a reader makes of the files: images uint8 [N, H, W, C], labels int64 [N], and the names of the classes."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class PublishedDataset:
    """The files of a data set and how they are read.

    `name` is as in the configuration. `read` gets the verified files, opened, in the order of `files`; nothing in a
    configuration changes which contents are accepted. `origin` names the publication, `order` the order of the images.
    """

    name: str
    files: tuple[ExpectedFile, ...]
    read: Callable[[Sequence[IO[bytes]]], LabelledImages]
    origin: str
    order: str

    def fetch(self, settings: Mapping[str, Any], downloads: Path) -> DatasetArrays:
        """Return the data set, from files on the disk or from the first source that delivers them.

        `settings` holds `archive` (the path of the one file) or `folder` (that of several files), relative to the
        current folder, or None; and `sources`: addresses of the one file, or of folders that hold all of them. Verified
        downloads stay in the folder `downloads`, so that they are made once. Nothing is extracted to the disk.
        Raises DatasetError where a file of the known content cannot be had.
        """
        key = f"dataset.{self.name}.{LOCAL_FILES[self.name]}"
        paths = [self._path_of(file, settings, downloads) for file in self.files]
        with contextlib.ExitStack() as stack:
            pairs = zip(paths, self.files, strict=True)
            images = self.read([stack.enter_context(open_verified(path, file, key)) for path, file in pairs])
        return DatasetArrays(
            **images._asdict(),
            name=self.name,
            identifier=self.name,
            title=KNOWN_DATASETS[self.name].title,
            source=self._source(),
        )

    def _path_of(self, file: ExpectedFile, settings: Mapping[str, Any], downloads: Path) -> Path:
        """Return where a file lies, after it was downloaded if need be."""
        local = settings.get(LOCAL_FILES[self.name])
        sources = settings.get("sources") or ()
        if LOCAL_FILES[self.name] == "archive":
            advice = f"name its path under dataset.{self.name}.archive"
        else:  # names such as train-images-idx3-ubyte.gz are those of several data sets
            local = local and Path(local) / file.name
            sources, downloads = [f"{source.rstrip('/')}/{file.name}" for source in sources], downloads / self.name
            advice = f"name the folder of all {len(self.files)} files under dataset.{self.name}.folder"
        if local:
            return Path(local)
        by_hand = f"To place the file by hand, save it as {downloads / file.name}, or {advice} in the configuration"
        return download(sources, downloads, file, by_hand)

    def _source(self) -> dict[str, str]:
        if LOCAL_FILES[self.name] == "archive":
            (file,) = self.files
            content = {"archive": file.name, "sha256": file.sha256}
        else:
            content = {f"sha256 of {file.name}": file.sha256 for file in self.files}
        return {**content, "origin": self.origin, "order": self.order}


def open_members(stream: IO[bytes], names: Sequence[str], archive: str) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the named members of a .tar.gz file, opened, in the archive's order; what follows the last is not read.

    Raises DatasetError where one is missing.
    """
    missing = set(names)
    with tarfile.open(fileobj=stream, mode="r:gz") as tar:
        while missing and (member := tar.next()) is not None:
            if member.name in missing and (content := tar.extractfile(member)):
                missing.remove(member.name)
                yield member.name, content
    if missing:
        raise DatasetError(
            f"{archive} holds no {', '.join(sorted(missing))}. That is an error of smallmix; please report it."
        )
