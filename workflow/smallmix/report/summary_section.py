"""The first section: did mixing help, by how much with few and with many images, and how complete is the study."""

from __future__ import annotations

from dataclasses import dataclass

from smallmix.report.method_section import early_loss_warning
from smallmix.statistics.answer import Gain, answer_gains, answer_sentence
from smallmix.statistics.few_seeds import two_seeds_sentence
from smallmix.study.study import first_method
from smallmix.tables.columns import SELECTIONS
from smallmix.tables.study_tables import FEWEST_FOR_AN_INTERVAL, StudyTables
from smallmix.wording import joined, percent

ROUNDING = 1e-8  # the tables' accuracies have nine digits


@dataclass(frozen=True)
class Answer:
    """The first section. `sentence` is complete in itself; `warnings` must be read before it is believed."""

    sentence: str
    gains: tuple[Gain, ...]
    reference: str
    finished: int
    wanted: int
    warnings: tuple[str, ...]


def compose_answer(tables: StudyTables) -> Answer:
    """Compose the answer from the tables as they are."""
    reference = first_method(tables.study, "none") or ""
    wanted, finished = len(tables.study.cells), len(tables.metrics)
    sentence, gains = answer_sentence(tables), answer_gains(tables)
    return Answer(sentence, gains, reference, finished, wanted, tuple(_warnings(tables)))


def _warnings(tables: StudyTables) -> list[str]:
    warnings = []
    finished, wanted = len(tables.metrics), len(tables.study.cells)
    if finished < wanted:
        warnings.append(f"{finished:,} of {wanted:,} runs are finished; what follows uses those.")
    if len(tables.study.seeds) < 2:
        warnings.append("One seed: there are no intervals, and differences of a point or two may be luck.")
    elif len(tables.study.seeds) < FEWEST_FOR_AN_INTERVAL:
        warnings.append(f"{two_seeds_sentence()} Differences of a point or two may be luck.")
    warnings += _near_guessing(tables)
    warnings += [warning] if (warning := early_loss_warning(tables)) else []
    warnings += [str(note) for note in tables.provenance.get("notes", [])]
    warnings += missing_class_notes(tables)
    warnings += tables.dataset.warnings if tables.dataset else ()
    return warnings


def _near_guessing(tables: StudyTables) -> list[str]:
    """Return at most one sentence on sizes where no method is clearly above guessing: nothing was learnt to compare.

    It goes by the accuracy at the end of a run: the best of many evaluations lies above guessing by chance.
    """
    guessing = _guessing(tables)
    if guessing is None:
        return []
    share, how = guessing
    weak = []
    for size in tables.study.sizes:
        found = [tables.mean_of(SELECTIONS["last_tenth"], size, method) for method in tables.study.methods]
        lows = [one.low if one.has_interval else one.mean for one in found if one.seeds]
        if lows and max(lows) <= share + ROUNDING:
            weak.append(f"{size:,}")
    if not weak:
        return []
    return [
        f"With {joined(weak)} images no method is clearly above {how} ({percent(share)}) in the last tenth of its "
        "runs. Differences between methods say little there. Perhaps the trainings are too short."
    ]


def _guessing(tables: StudyTables) -> tuple[float, str] | None:
    """Return the accuracy of a network that has learnt nothing, and what it does; None where the classes are unknown.

    Always naming the class with the most test images is the best of such guesses.
    """
    classes = len(tables.classes)
    if classes < 2:
        return None
    images = tables.per_class.groupby("label")["images"].max()  # every run is tested on the same images
    largest = float(images.max() / images.sum()) if len(images) else 0.0
    if largest <= 1 / classes:
        return 1 / classes, f"guessing among {classes} classes"
    return largest, "always naming the class with the most test images"


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
