"""The first section: did mixing help, by how much with few and with many images, and how complete is the study."""

from __future__ import annotations

from dataclasses import dataclass

from smallmix.report.method_section import early_loss_warning
from smallmix.study.study import first_method
from smallmix.tables.study_tables import PairedDifference, StudyTables
from smallmix.wording import count_of, joined, percent, points

MOST_SPELT_OUT = 4  # mixing methods with a sentence each; more are sorted into groups


@dataclass(frozen=True)
class Gain:
    """One mixing method against the reference, in text: where images are few, and where they are many."""

    method: str
    text: str


@dataclass(frozen=True)
class Answer:
    """The first section. `sentence` is complete in itself; `warnings` must be read before it is believed."""

    sentence: str
    gains: tuple[Gain, ...]
    reference: str
    finished: int
    wanted: int
    warnings: tuple[str, ...]


def leading_method(tables: StudyTables) -> str | None:
    """Return the method to begin with: the first that mixes images and labels, else the first that mixes images."""
    return first_method(tables.study, "images-and-labels") or first_method(tables.study, "images")


def compose_answer(tables: StudyTables) -> Answer:
    """Compose the answer from the tables as they are."""
    reference, leading = first_method(tables.study, "none"), leading_method(tables)
    wanted, finished = len(tables.study.cells), len(tables.metrics)
    gains = []
    for method in tables.study.methods:
        if reference is not None and method != reference:
            differences = tables.differences(method, reference)
            if differences:
                gains.append(Gain(method, _gain_text(differences)))
    sentence = _sentence(tables, reference, leading)
    return Answer(sentence, tuple(gains), reference or "", finished, wanted, tuple(_warnings(tables)))


def difference_text(difference: PairedDifference) -> str:
    """Return the difference with its interval, or with the reason why there is none."""
    mean = points(difference.mean)
    if not difference.has_interval:
        return f"{mean} points (one seed: no interval)"
    interval = f"{points(difference.low)} to {points(difference.high)}"
    return f"{mean} points (95 % interval {interval}, {count_of(difference.seeds, 'seed')})"


def _gain_text(differences: list[PairedDifference]) -> str:
    few, many = differences[0], differences[-1]
    text = f"{difference_text(few)} with {few.size:,} images"
    return text if many.size == few.size else f"{text}; {difference_text(many)} with {many.size:,}"


def _sentence(tables: StudyTables, reference: str | None, leading: str | None) -> str:
    if tables.metrics.empty:
        return "No run is finished yet, so there is no answer."
    if reference is None or leading is None:
        return (
            "This study does not compare mixing with plain training, so it does not say whether mixup helps. "
            + _best_accuracies(tables)
        )
    mixing = [leading, *(name for name in tables.study.methods if name not in (leading, reference))]
    found = {method: tables.differences(method, reference) for method in mixing}
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


def _position(method: str, reference: str, differences: list[PairedDifference]) -> str:
    """Say at how many sizes a method came out ahead."""
    higher, tried = sum(one.mean > 0 for one in differences), _tried(len(differences))
    if len(differences) == 1:
        return f"{method} {'came' if higher else 'did not come'} out ahead of {reference} at the one size tried"
    if higher == 0:
        return f"{method} did not come out ahead of {reference} at any of the {tried}"
    everywhere = "both training-set sizes tried" if len(differences) == 2 else f"all {tried}"
    where = everywhere if higher == len(differences) else f"{higher} of the {tried}"
    return f"{method} came out ahead of {reference} at {where}"


def _sorted_out(found: dict[str, list[PairedDifference]], reference: str) -> str:
    """Sort many methods by whether they came out ahead everywhere, somewhere or nowhere."""
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


def _spans(differences: list[PairedDifference]) -> str:
    few, many = differences[0], differences[-1]
    spans = f"{points(few.mean)} points with {few.size:,} images"
    return spans if many.size == few.size else f"{spans}, {points(many.mean)} with {many.size:,}"


def _certainty(differences: list[PairedDifference]) -> str:
    """Say on which side of zero the intervals lie; empty where there is none."""
    intervals = [one for one in differences if one.has_interval]
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
    return {1: "that size", 2: "both of them"}.get(total, f"all {total} of them")


def _best_accuracies(tables: StudyTables) -> str:
    largest = int(tables.metrics["size"].max())
    parts = [
        f"{method} {percent(tables.mean_of('best_test_accuracy', largest, method).mean)}"
        for method in tables.methods_present()
        if tables.mean_of("best_test_accuracy", largest, method).seeds
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
    warnings += tables.dataset.warnings if tables.dataset else ()
    return warnings


def missing_class_notes(tables: StudyTables) -> list[str]:
    """Return at most one sentence on classes without any image, by size; none where every class has one."""
    classes = len(tables.classes)
    parts = []
    for row in tables.subset_table.to_dict("records"):
        if int(row["smallest_class"]) > 0:
            continue
        missing = int(row.get("missing_classes") or 0)  # tables of version 0.3 do not have this column
        count = f"{missing:,}" if missing else "at least one"
        parts.append(f"{count}{f' of {classes:,}' if classes else ''} with {int(row['size']):,} images")
    if not parts:
        return []
    return [
        f"Classes are missing from the training subset: {joined(parts)}. The network cannot learn what it is never "
        f"shown, so accuracies there are bounded. The logs in logs/{tables.study.name}/subsets name the classes; "
        "subsets.rule: balanced gives each one its share."
    ]
