"""What can be said about an image list as a whole: its classes, its repetitions, and what the images needed."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from smallmix.datasets.image_decoding import DecodedImages
from smallmix.datasets.image_list_table import ListRow
from smallmix.datasets.list_faults import ListFaults
from smallmix.datasets.look_alikes import difference, look

TRAIN_LIST, TEST_LIST = "train.csv", "test.csv"
ROUNDABOUT = re.compile(r"^\./|/\.?/|/\.?$")  # what normalising would change, in paths without ..
INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
PAIRS_SHOWN = 5
FULL_RANGE, DIM_PEAK = 65535, 1 << 14  # what stays below the second comes out at less than a quarter of full brightness


def sorted_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """The distinct labels in order: by number where all are integers, else by their characters' code points."""
    names = sorted(set(labels))
    if all(INTEGER.fullmatch(name) for name in names):
        names.sort(key=int)
    return tuple(names)


def check_classes(lists: Mapping[str, Sequence[ListRow]], classes: Sequence[str], faults: ListFaults) -> None:
    """Add faults for empty lists, for a training list of one class, and for test classes that are never trained."""
    for name, rows in lists.items():
        if not rows:
            faults.add(f"{name}: lists no images")
    if len(classes) == 1:
        faults.add(f"{TRAIN_LIST}: has one class only ({classes[0]!r}); telling classes apart needs two")
    if lists[TRAIN_LIST]:
        accused = set(classes)
        trained = {look(name): name for name in reversed(classes)}
        for row in lists[TEST_LIST]:
            if row.label not in accused:
                accused.add(row.label)
                twin = trained.get(look(row.label))
                hint = "" if twin is None else f"; {twin!r} has, and differs only {difference(row.label, twin)}"
                faults.add(f"{TEST_LIST} line {row.line}: the class {row.label!r} has no image in {TRAIN_LIST}{hint}")


def check_repetitions(lists: Mapping[str, Sequence[ListRow]], faults: ListFaults) -> list[str]:
    """Add faults for paths with two labels, in one list or in both; return warnings about paths listed twice."""
    labels: dict[str, tuple[str, str, int]] = {}
    warnings: list[str] = []
    for name, rows in lists.items():
        seen: set[str] = set()
        again: list[ListRow] = []
        for row in rows:
            path = posixpath.normpath(row.path) if ROUNDABOUT.search(row.path) else row.path
            label, list_name, line = labels.setdefault(path, (row.label, name, row.line))
            if label != row.label:
                faults.add(
                    f"{name} line {row.line}: {row.path!r} is labelled {row.label!r}, "
                    f"but {label!r} in {list_name} line {line}"
                )
            elif path in seen:
                again.append(row)
            seen.add(path)
        if again:
            warnings.append(
                f"{name} repeats {_images(len(again))}, first in line {again[0].line} ({again[0].path!r}); "
                "each row counts as an image"
            )
    return warnings


def class_warnings(lists: Mapping[str, Sequence[ListRow]], classes: Sequence[str]) -> list[str]:
    """Warnings about classes that are never tested, and about names that look like one class written in two ways."""
    tested = {row.label for row in lists[TEST_LIST]}
    warnings = [f"the class {name!r} has no image in {TEST_LIST}" for name in classes if name not in tested]
    alike: dict[str, str] = {}
    pairs = [(other, name) for name in classes if (other := alike.setdefault(look(name), name)) != name]
    for other, name in pairs[:PAIRS_SHOWN]:
        warnings.append(
            f"the classes {other!r} and {name!r} count as two, but differ only {difference(other, name)}. If they are "
            f"one class, write it in one way in {TRAIN_LIST} and {TEST_LIST}"
        )
    if len(pairs) > PAIRS_SHOWN:
        warnings.append(f"{len(pairs) - PAIRS_SHOWN:,} more classes look like another one")
    return warnings


def path_warnings(lists: Mapping[str, Sequence[ListRow]]) -> list[str]:
    """A warning about different paths that differ in the Unicode form of a letter only, over both lists."""
    first: dict[str, tuple[str, str]] = {}
    twins: list[tuple[str, str]] = []
    for name, rows in lists.items():
        for row in rows:
            if not row.path.isascii():
                place = f"{name} line {row.line}"
                path, other = first.setdefault(unicodedata.normalize("NFC", row.path), (row.path, place))
                if path != row.path:
                    twins.append((other, place))
    if not twins:
        return []
    return [
        f"{_paths(len(twins))} from another one only in the Unicode form of a letter "
        f"(first: {' and '.join(twins[0])}); on some systems both name one file. Rename the files"
    ]


def image_warnings(lists: Mapping[str, Sequence[ListRow]], decoded: Mapping[str, DecodedImages]) -> list[str]:
    """Warnings about what had to be done to images, and about equal images under two labels or in both lists."""
    warnings: list[str] = []
    for name, rows in lists.items():
        for note, indices in sorted(decoded[name].notes.items()):
            warnings.append(
                f"{name}: {len(indices):,} of {_images(len(rows))} (first: {rows[indices[0]].path!r}) {note}"
            )
        warnings += _dim_warning(name, rows, decoded[name].peaks)
    first_row: dict[bytes, ListRow] = {}
    contradictions: list[tuple[ListRow, ListRow]] = []
    for row, digest in zip(lists[TRAIN_LIST], decoded[TRAIN_LIST].digests, strict=True):
        other = first_row.setdefault(digest, row)
        if other.label != row.label:
            contradictions.append((other, row))
    if contradictions:
        other, row = contradictions[0]
        warnings.append(
            f"{TRAIN_LIST}: {len(contradictions):,} of {_images(len(lists[TRAIN_LIST]))} bear another label than an "
            f"image of equal pixels (first: {row.path!r} as {row.label!r}, {other.path!r} as {other.label!r})"
        )
    shared = [
        (first_row[digest], row)
        for row, digest in zip(lists[TEST_LIST], decoded[TEST_LIST].digests, strict=True)
        if digest in first_row
    ]
    if shared:
        other, row = shared[0]
        warnings.append(
            f"{TEST_LIST}: {len(shared):,} of {_images(len(lists[TEST_LIST]))} are equal, pixel for pixel as scaled, "
            f"to training images (first: {row.path!r} and {other.path!r}); test accuracies are too high by what was "
            "memorised. Take them out of one of the lists"
        )
    return warnings


def _dim_warning(name: str, rows: Sequence[ListRow], peaks: Mapping[int, int]) -> list[str]:
    """A warning about images of 16 bits that use the lowest bits only, as cameras of 10, 12 and 14 bits write them."""
    dim = {index: peak for index, peak in peaks.items() if peak < DIM_PEAK}
    if not dim:
        return []
    largest = max(dim.values())
    return [
        f"{name}: {len(dim):,} of {_images(len(rows))} (first: {rows[min(dim)].path!r}) have 16 bits a channel and use "
        f"only the lowest {max(largest.bit_length(), 1)} (largest value {largest:,} of {FULL_RANGE:,}): they come out "
        "dark. Stretch their values to the full range"
    ]


def _paths(count: int) -> str:
    return "1 path differs" if count == 1 else f"{count:,} paths differ"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
