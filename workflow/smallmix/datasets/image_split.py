"""Divide the images of one folder into training and test images, once and for all.

Each class gives the same share to the test. Images that are equal or look alike stay together. Which images are
tested is decided by a hash of their files and a seed. The decision is written into a table beside the arrays, and that
table is read at the next time: images that have a side keep it, whatever is added, removed or renamed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.errors import DatasetError

HEADER = ("sha256", "side", "class", "path")
TRAIN, TEST, NEITHER = "train", "test", ""
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SplitImage:
    """An image to be divided: its file's sha256, its class, the group of those alike, and its path for people."""

    content: str
    label: str
    group: int
    path: str


def split_file(seed: int, share: float) -> str:
    """Return the name of the table of a seed and a share. Others have other tables, so that none is lost."""
    return f"split-seed{seed}-share{share!r}.csv"


def divide(images: Sequence[SplitImage], share: float, seed: int, kept: Mapping[str, str]) -> list[str]:
    """Return the side of each image: train, test, or empty where it is like images of both sides.

    `kept` has sides by the sha256 of files, from the table. Of each class round(share * count) images are tested, at
    least one and not all. Groups that would exceed that are trained, so that it may be fewer. A class whose images all
    look alike is not tested.
    """
    groups: dict[int, list[SplitImage]] = {}
    for image in images:
        groups.setdefault(image.group, []).append(image)
    counts = Counter(image.label for image in images)
    wanted = {label: min(max(1, round(share * count)), count - 1) for label, count in counts.items()}
    tested: Counter[str] = Counter()
    sides: dict[str, str] = {}
    new: list[list[SplitImage]] = []
    for members in groups.values():
        known = {kept[image.content] for image in members if image.content in kept}
        if not known:
            new.append(members)
            continue
        both = NEITHER if len(known) > 1 else next(iter(known))
        for image in members:
            sides[image.content] = kept.get(image.content, both)
            tested[image.label] += sides[image.content] == TEST
    new.sort(key=lambda members: min(_rank(seed, image.content) for image in members))
    for members in new:
        own = Counter(image.label for image in members)
        side = TEST if all(tested[label] + count <= wanted[label] for label, count in own.items()) else TRAIN
        if side == TEST:
            tested.update(own)
        sides.update((image.content, side) for image in members)
    _test_every_class(new, counts, tested, sides)
    return [sides[image.content] for image in images]


def _test_every_class(
    new: Sequence[Sequence[SplitImage]], counts: Mapping[str, int], tested: Counter[str], sides: dict[str, str]
) -> None:
    """Move the smallest group of a class to the test where none of it is there, because all of its groups are large."""
    for label in sorted(counts):
        if tested[label]:
            continue
        for members in sorted(new, key=len):  # of equally large ones the first by the hash
            own = Counter(image.label for image in members)
            if label in own and all(tested[name] + count < counts[name] for name, count in own.items()):
                tested.update(own)
                sides.update((image.content, TEST) for image in members)
                break


def read_split(path: Path) -> dict[str, tuple[str, str, str]]:
    """Return side, class and path by the sha256 of the file, from a table; empty where there is none.

    Raises DatasetError where the table is damaged.
    """
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"cannot read {path}: {error}. {_remedy(path)}") from error
    if not rows or tuple(rows[0]) != HEADER:
        raise DatasetError(f"{path} line 1: must be {','.join(HEADER)}. {_remedy(path)}")
    known: dict[str, tuple[str, str, str]] = {}
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(HEADER) or not SHA256.fullmatch(row[0]) or row[1] not in (TRAIN, TEST):
            raise DatasetError(f"{path} line {line}: must be a sha256, train or test, class, path. {_remedy(path)}")
        if row[0] in known:
            raise DatasetError(f"{path} line {line}: names the file {row[0]} a second time. {_remedy(path)}")
        known[row[0]] = (row[1], row[2], row[3])
    return known


def split_table(images: Sequence[SplitImage], sides: Sequence[str], known: Mapping[str, tuple[str, str, str]]) -> bytes:
    """Return the content of the table: `known` rows, of which some images may be gone, and those of new images."""
    rows = dict(known)
    for image, side in sorted(zip(images, sides, strict=True), key=lambda pair: pair[0].path):
        if side != NEITHER and image.content not in rows:
            rows[image.content] = (side, image.label, image.path)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(
        (content, *row) for content, row in sorted(rows.items(), key=lambda entry: (entry[1][2], entry[0]))
    )
    return stream.getvalue().encode("utf-8")


def _rank(seed: int, content: str) -> str:
    return hashlib.sha256(f"{seed} {content}".encode()).hexdigest()


def _remedy(path: Path) -> str:
    return f"Bring the table back, or delete {path.name} to have all images divided anew; then run again."
