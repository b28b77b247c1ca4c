"""In what two studies differ: configuration, images, training code, versions, hardware. As plain rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smallmix.datasets.description import DatasetDescription
from smallmix.study.study import Study
from smallmix.tables.cell_status import Collection
from smallmix.tables.collected_tables import HARDWARE_KEYS, VERSION_KEYS

NAMES = ("study", "title", "description", "keep.weights")  # which differ in any two studies, or decide no number
ABSENT = "not there"  # what a key is called that one of two studies lacks
NO_RECORD = "none"
NULL = "null"
CODE = "training code"
DIGITS_SHOWN = 16  # of a fingerprint


@dataclass(frozen=True)
class OriginDifference:
    """One thing that differs. `what` is a key of the configuration, or what was recorded under which name."""

    what: str
    first: str
    second: str


def configuration_differences(first: Study, second: Study) -> list[OriginDifference]:
    """Return the keys of the resolved configurations that differ, in the order of the first."""
    one, other = dict(flat_configuration(first)), dict(flat_configuration(second))
    return [
        OriginDifference(key, one.get(key, ABSENT), other.get(key, ABSENT))
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key) and key not in NAMES
    ]


def flat_configuration(study: Study) -> Iterator[tuple[str, str]]:
    """Return each key of a resolved configuration with its value as text: recipe.momentum, 0.9."""
    yield from _flat(study.configuration, "")


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return NULL if value is None else str(value)


def data_differences(first: DatasetDescription | None, second: DatasetDescription | None) -> list[OriginDifference]:
    """Return in what the images differ: the data set, and the checksums of its arrays."""
    if first is None or second is None:
        return []
    found = []
    if first.identifier != second.identifier:
        found.append(OriginDifference("data set", first.title, second.title))
    for file in dict.fromkeys([*first.checksums, *second.checksums]):
        one, other = first.checksums.get(file, NO_RECORD), second.checksums.get(file, NO_RECORD)
        if one != other:
            found.append(OriginDifference(f"sha256 of {file}", one[:DIGITS_SHOWN], other[:DIGITS_SHOWN]))
    return found


def declared_data_differences(first: Study, second: Study) -> list[OriginDifference]:
    """Return in what the images differ by the configurations alone, where checksums are not on record."""
    if first.dataset == second.dataset:
        return []
    return [OriginDifference("data set", first.dataset, second.dataset)]


def subset_differences(first: Collection, second: Collection) -> list[str]:
    """Return a sentence for each size of which the studies chose other training images for a common seed."""
    one, other = images_by_place(first), images_by_place(second)
    sentences = []
    for size in first.study.sizes:
        common = [place for place in one if place[0] == size and place in other]
        unlike = [place for place in common if one[place] != other[place]]
        if unlike:
            sentences.append(
                f"{size:,} images: {len(unlike)} of {len(common)} subsets of common seeds are other images."
            )
    return sentences


def images_by_place(collection: Collection) -> dict[tuple[int, int], str]:
    """Return by size and seed the fingerprint of the images that current cells were trained on, whatever the method."""
    return {
        (one.cell.size, one.cell.seed): str(one.metrics["data_fingerprint"])
        for one in collection.current
        if one.metrics is not None
    }


def training_differences(first: Collection, second: Collection) -> list[OriginDifference]:
    """Return in what the trainings differ: code, versions, hardware, precision. Several values stand side by side.

    The code of a way of mixing that one study alone has is no difference.
    """
    one, other = _recorded(first), _recorded(second)
    return [
        OriginDifference(what, ", ".join(one.get(what, ())) or NO_RECORD, ", ".join(other.get(what, ())) or NO_RECORD)
        for what in dict.fromkeys([*one, *other])
        if one.get(what) != other.get(what) and not (what.startswith(CODE) and _may_be_equal(one, other, what))
    ]


def _may_be_equal(one: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]], what: str) -> bool:
    """Return whether two different records of code tell no difference.

    A study lacks the way of mixing. Or a kept study, which records the code of all its cells together, has the
    other's among it.
    """
    if what not in one or what not in other:
        return True
    first, second = set(one[what]), set(other[what])
    return (len(first) > 1 and second <= first) or (len(second) > 1 and first <= second)


def _recorded(collection: Collection) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for record in collection.current:
        metrics = record.metrics or {}
        mix = record.cell.value.method.mix
        # The code of a method is its own: all methods together would differ as soon as one is missing.
        codes = metrics.get("code_fingerprints") or [str(metrics.get("code_fingerprint"))]
        found.setdefault(f"{CODE} (mix {mix})", set()).update(codes)
        environment = metrics.get("environment", {})
        for key in (*VERSION_KEYS, *HARDWARE_KEYS):
            if key in environment:
                found.setdefault(key, set()).add(str(environment[key]))
    return {what: sorted(values) for what, values in found.items()}


def equal_trainings(first: Collection, second: Collection) -> int:
    """Count the places of both studies where cell, images and code are the same: one training, shown twice."""
    keys = ("cell_fingerprint", "data_fingerprint", "code_fingerprint")

    def origins(collection: Collection) -> dict[str, tuple[str, ...]]:
        return {
            one.cell.id: tuple(str(one.metrics[key]) for key in keys)
            for one in collection.current
            if one.metrics is not None
        }

    other = origins(second)
    return sum(other.get(place) == origin for place, origin in origins(first).items())
