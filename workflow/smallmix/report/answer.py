"""The first screen: did mixing help, by how much with few and with many images, and how complete is the study."""

from __future__ import annotations

import math
from dataclasses import dataclass

from smallmix.figures.figure_text import MINUS, count_of, joined, percent, points
from smallmix.figures.paired_differences import differences_by_size
from smallmix.figures.study_tables import StudyTables
from smallmix.report.missing_classes import missing_class_notes
from smallmix.report.protocol import early_loss_warning
from smallmix.statistics.method_roles import first_method


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
    """The method that the sentence is about: the first that mixes images and labels, else the first that mixes."""
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


@dataclass(frozen=True)
class DeclaredTest:
    """The one hypothesis stated in advance: its difference over all sizes, and what the exact test says."""

    method: str
    reference: str
    difference: Difference
    p_value: float


def declared_test(tables: StudyTables) -> DeclaredTest | None:
    """The declared hypothesis, or None where it has no result yet."""
    if "role" not in tables.comparison.columns:
        return None
    chosen = tables.comparison[(tables.comparison["role"] == "declared") & tables.comparison["difference"].notna()]
    for row in chosen.to_dict("records"):
        difference = Difference(0, float(row["difference"]), float(row["low"]), float(row["high"]), int(row["seeds"]))
        return DeclaredTest(str(row["method"]), str(row["reference"]), difference, float(row["p_value"]))
    return None


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
    differences = differences_between(tables, leading, reference)
    if not differences:
        return f"No size has finished runs of both {leading} and {reference} yet, so there is no answer."
    higher = sum(one.mean > 0 for one in differences)
    tried = count_of(len(differences), "training-set size")
    if higher == len(differences):
        verdict = f"Mixup came out ahead at {'the one size' if higher == 1 else f'all {tried}'} tried"
    elif higher == 0:
        where = "the one size" if len(differences) == 1 else f"any of the {tried}"
        verdict = f"Mixup did not come out ahead at {where} tried"
    else:
        verdict = f"Mixup came out ahead at {higher} of the {tried} tried"
    clear = [one for one in differences if one.clear]
    if all(one.seeds < 2 for one in differences):
        certainty = "; with one seed each, no difference can be told from luck"
    elif not clear:
        certainty = "; no interval over seeds excludes zero"
    else:
        share = "all" if len(clear) == len(differences) else str(len(clear))
        certainty = f"; the interval over seeds excludes zero at {share} of them"
    few, many = differences[0], differences[-1]
    spans = f"{points(few.mean)} points with {few.size:,} images"
    if many.size != few.size:
        spans += f", {points(many.mean)} with {many.size:,}"
    return f"{verdict} ({leading} {MINUS} {reference}: {spans}){certainty}."


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
