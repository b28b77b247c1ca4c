"""The first screen: did mixing help, by how much with few and with many images, and how complete is the study."""

from __future__ import annotations

import math
from dataclasses import dataclass

from smallmix.figures.figure_text import count_of, joined, percent, points
from smallmix.figures.paired_differences import differences_by_size
from smallmix.figures.study_tables import StudyTables
from smallmix.report.missing_classes import missing_class_notes
from smallmix.report.protocol import early_loss_warning
from smallmix.study.method_roles import first_method

MOST_SPELT_OUT = 4  # mixing methods with a sentence each; more are sorted into groups


@dataclass(frozen=True)
class Difference:
    """A method minus the reference at one size: mean of the paired differences, fractions; NaN bounds for one seed."""

    size: int
    mean: float
    low: float
    high: float
    seeds: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves no doubt about the sign, as far as seeds go."""
        return math.isfinite(self.low) and (self.low > 0 or self.high < 0)

    def words(self) -> str:
        """The difference with its interval, or with the reason why there is none."""
        if math.isfinite(self.low):
            interval = f"95 % interval {points(self.low)} to {points(self.high)}, {count_of(self.seeds, 'seed')}"
            return f"{points(self.mean)} points ({interval})"
        return f"{points(self.mean)} points (one seed: no interval)"


@dataclass(frozen=True)
class Gain:
    """One mixing method against the reference, where images are few and where they are many."""

    method: str
    few: Difference
    many: Difference


@dataclass(frozen=True)
class Answer:
    """What the first screen says. `sentence` is complete in itself; `warnings` must be read before it is believed."""

    sentence: str
    gains: tuple[Gain, ...]
    reference: str
    finished: int
    wanted: int
    warnings: tuple[str, ...]


def leading_method(tables: StudyTables) -> str | None:
    """The method that the answer begins with: the first that mixes images and labels, else the first that mixes."""
    return first_method(tables.study, "images-and-labels") or first_method(tables.study, "images")


def differences_between(tables: StudyTables, method: str, reference: str) -> list[Difference]:
    """Method minus reference by size, ascending, by the article's selection rule (the best of the run)."""
    table = differences_by_size(tables)
    table = table[table["selection"] == "best"].sort_values("size")
    found = []
    for row in table.to_dict("records"):
        difference, low, high = float(row["difference"]), float(row["low"]), float(row["high"])
        if (row["method"], row["reference"]) == (reference, method):
            difference, low, high = -difference, -high, -low
        elif (row["method"], row["reference"]) != (method, reference):
            continue
        found.append(Difference(int(row["size"]), difference, low, high, int(row["seeds"])))
    return found


def compose_answer(tables: StudyTables) -> Answer:
    """The answer from the tables as they are."""
    reference, leading = first_method(tables.study, "none"), leading_method(tables)
    wanted, finished = len(tables.study.cells), len(tables.metrics)
    gains = []
    for method in tables.study.methods:
        if reference is not None and method != reference:
            differences = differences_between(tables, method, reference)
            if differences:
                gains.append(Gain(method, differences[0], differences[-1]))
    sentence = _sentence(tables, reference, leading)
    return Answer(sentence, tuple(gains), reference or "", finished, wanted, tuple(_warnings(tables)))


def _sentence(tables: StudyTables, reference: str | None, leading: str | None) -> str:
    if tables.metrics.empty:
        return "No run is finished yet, so there is no answer."
    if reference is None or leading is None:
        return (
            "This study does not compare mixing with plain training, so it does not say whether mixup helps. "
            + _best_accuracies(tables)
        )
    mixing = [leading, *(name for name in tables.study.methods if name not in (leading, reference))]
    found = {method: differences_between(tables, method, reference) for method in mixing}
    finished = {method: differences for method, differences in found.items() if differences}
    if not finished:
        return f"No size has finished runs of both {leading} and {reference} yet, so there is no answer."
    if len(mixing) > MOST_SPELT_OUT:
        sentences = [_sorted_out(finished, reference)]
    else:
        sentences = [
            f"{_position(method, reference, differences)} ({_spans(differences)}{_certainty(differences)})."
            for method, differences in finished.items()
        ]
    if waiting := [method for method in mixing if method not in finished]:
        sentences.append(f"Of {joined(waiting)} no size has finished runs to compare yet.")
    if all(one.seeds < 2 for differences in finished.values() for one in differences):
        sentences.append("With one seed each, no difference can be told from luck.")
    return " ".join(sentences)


def _position(method: str, reference: str, differences: list[Difference]) -> str:
    """At how many sizes a method came out ahead."""
    higher, tried = sum(one.mean > 0 for one in differences), _tried(len(differences))
    if len(differences) == 1:
        return f"{method} {'came' if higher else 'did not come'} out ahead of {reference} at the one size tried"
    if higher == 0:
        return f"{method} did not come out ahead of {reference} at any of the {tried}"
    where = f"all {tried}" if higher == len(differences) else f"{higher} of the {tried}"
    return f"{method} came out ahead of {reference} at {where}"


def _sorted_out(found: dict[str, list[Difference]], reference: str) -> str:
    """Many methods, by whether they came out ahead everywhere, somewhere or nowhere."""
    everywhere = [name for name, all_of in found.items() if all(one.mean > 0 for one in all_of)]
    nowhere = [name for name, all_of in found.items() if not any(one.mean > 0 for one in all_of)]
    somewhere = [name for name in found if name not in (*everywhere, *nowhere)]
    parts = [
        f"{joined(names)} {where}"
        for names, where in (
            (everywhere, "at every size tried"),
            (somewhere, "at some sizes"),
            (nowhere, "at none"),
        )
        if names
    ]
    return f"Ahead of {reference} came out {'; '.join(parts)}."


def _tried(count: int) -> str:
    return f"{count_of(count, 'training-set size')} tried"


def _spans(differences: list[Difference]) -> str:
    few, many = differences[0], differences[-1]
    spans = f"{points(few.mean)} points with {few.size:,} images"
    return spans if many.size == few.size else f"{spans}, {points(many.mean)} with {many.size:,}"


def _certainty(differences: list[Difference]) -> str:
    """On which side of zero the intervals lie; empty where there is none."""
    intervals = [one for one in differences if math.isfinite(one.low)]
    if not intervals:
        return ""
    above, below = sum(one.low > 0 for one in intervals), sum(one.high < 0 for one in intervals)
    if not above and not below:
        return "; no interval over seeds excludes zero"
    sides = [
        f"{side} zero at {_share(count, len(differences))}"
        for side, count in (("above", above), ("below", below))
        if count
    ]
    return f"; the interval over seeds lies {joined(sides)}"


def _share(count: int, total: int) -> str:
    if count < total:
        return f"{count} of them"
    return "that size" if total == 1 else f"all {total} of them"


def _best_accuracies(tables: StudyTables) -> str:
    largest = int(tables.metrics["size"].max())
    parts = [
        f"{method} {percent(float(tables.seeds_of(largest, method)['best_test_accuracy'].mean()))}"
        for method in tables.methods_present()
        if len(tables.seeds_of(largest, method))
    ]
    return f"With {largest:,} images: {joined(parts)}."


def _warnings(tables: StudyTables) -> list[str]:
    warnings = []
    finished, wanted = len(tables.metrics), len(tables.study.cells)
    if finished < wanted:
        warnings.append(f"{finished:,} of {wanted:,} runs are finished; what follows uses those.")
    if len(tables.study.seeds) < 2:
        warnings.append("One seed: there are no intervals, and differences of a point or two may be luck.")
    warnings += [warning] if (warning := early_loss_warning(tables)) else []
    warnings += [str(note) for note in tables.provenance.get("notes", [])]
    warnings += missing_class_notes(tables)
    warnings += [str(note) for note in tables.dataset.get("warnings", [])]
    return warnings
