"""Adopting stored results across versions: replay the first steps, compare every bit, enter what agrees under new keys.

A sample stands for all records of the same method, network, precision, executor, older code and environment. Its replay
takes the steps whose weights the record keeps a digest of. Where the first evaluation follows soon, the replay goes on
to it and compares the row of history.csv. The learning rates of the whole budget are compared for every record. The
older record stays where it is.

A difference in arithmetic that shows only after the replayed steps is not found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smallmix.code_fingerprint import fingerprint_training
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.datasets.description import load_description
from smallmix.errors import CellBusyError, SmallmixError, TrainingError
from smallmix.fingerprints import canonical_json
from smallmix.science.arithmetic import choose_memory_format, fix_arithmetic
from smallmix.science.batch_plan import schedule_sha256
from smallmix.science.history import history_csv
from smallmix.science.results import NonFiniteEvaluation, evaluate_training
from smallmix.science.training_state import TrainingState
from smallmix.study.layout import WEIGHTS_FILE, Layout
from smallmix.study.study import StudyCell
from smallmix.training.cell_data import load_training_data
from smallmix.training.hardware import choose_device
from smallmix.training.kept_memory import MEMORY
from smallmix.training.store import RECORD_FILES, RECORD_FORMAT, StoreEntry, store_key
from smallmix.training.training_loop import begin, take

# How many steps a replay goes on, beyond the last digest, to compare an evaluation as well.
FARTHEST_EVALUATION = 500
# What may differ between two environments without standing for another arithmetic.
NO_ARITHMETIC = ("smallmix", "python", MEMORY)


@dataclass(frozen=True)
class OlderRecord:
    """A finished record of older code, and the cell of the study that it would stand for."""

    cell: StudyCell
    entry: StoreEntry  # where it lies
    metrics: dict[str, Any]
    target: StoreEntry  # where it would lie under the code as it is now
    code_fingerprint: str  # of that code

    @property
    def digests(self) -> dict[int, str]:
        """Return its digests of the weights, by iteration."""
        return {int(iteration): str(digest) for iteration, digest in self.metrics["early_weights_sha256"].items()}

    @property
    def replay_length(self) -> int:
        """Return how many steps prove it: to the last digest, or to the first evaluation where that follows soon."""
        last = max(self.digests)
        first_evaluation = next(iter(self.cell.value.evaluation_moments.until(FARTHEST_EVALUATION)), last)
        return max(last, first_evaluation)

    @property
    def kind(self) -> str:
        """Return what it has in common with the records that a sample stands for."""
        value, metrics = self.cell.value, self.metrics
        environment = {key: item for key, item in metrics["environment"].items() if key not in NO_ARITHMETIC}
        parts = [value.method.mix, value.model.name, value.recipe.precision, value.recipe.executor]
        return canonical_json([*parts, metrics["code_fingerprint"], environment])


@dataclass
class Candidates:
    """What the store holds for a study's cells: `older` records that can be adopted, and how many cells otherwise."""

    older: list[OlderRecord] = field(default_factory=list)
    current: int = 0
    without_digests: int = 0
    missing: int = 0


@dataclass(frozen=True)
class Verdict:
    """What the replay of a sample showed: `difference` is empty where every bit agreed."""

    sample: OlderRecord
    records: list[OlderRecord]  # that the sample stands for, itself included
    evaluations: int = 0  # that were compared
    difference: str = ""


def find_candidates(layout: Layout) -> Candidates:
    """Find the records of older code for the study's cells, the newest of each cell.

    Raises DatasetError where the data set or a subset is not there: what was trained on something else proves nothing.
    """
    found = Candidates()
    stored: dict[tuple[str, str], list[tuple[StoreEntry, dict[str, Any]]]] = {}
    for entry, metrics in _finished_records(layout.store):
        stored.setdefault((metrics["cell_fingerprint"], metrics["data_fingerprint"]), []).append((entry, metrics))
    for cell in layout.study.cells:
        data = fingerprint_data(layout.subset(cell), layout.dataset, layout.validation)
        code = fingerprint_training(cell.value)
        target = StoreEntry(layout.store / store_key(cell.value, data, code))
        records = stored.get((cell.value.fingerprint, data), [])
        provable = [
            (entry, metrics)
            for entry, metrics in records
            if metrics["format"] == RECORD_FORMAT
            and metrics.get("early_weights_sha256")
            and metrics.get("schedule_sha256")
        ]
        if target.is_finished:
            found.current += 1
        elif provable:
            # Of equal ones that which was adopted less often: it lies closer to its training.
            entry, metrics = max(
                provable, key=lambda one: (str(one[1]["timing"]["finished"]), -len(one[1].get("adopted_from", [])))
            )
            found.older.append(OlderRecord(cell, entry, metrics, target, code))
        elif records:
            found.without_digests += 1
        else:
            found.missing += 1
    return found


def judge(layout: Layout, older: list[OlderRecord], every_record: bool) -> Iterator[Verdict]:
    """Replay a sample of each kind of record, or every record; give each verdict as it is there."""
    kinds: dict[str, list[OlderRecord]] = {}
    for record in older:
        kinds.setdefault(record.cell.id if every_record else record.kind, []).append(record)
    for records in kinds.values():
        sample = min(records, key=lambda one: (one.replay_length, one.cell.value.size))
        if any(one.metrics["schedule_sha256"] != schedule_sha256(one.cell.value) for one in records):
            yield Verdict(sample, records, difference="another schedule of the learning rate")
            continue
        evaluations, difference = replay(layout, sample)
        yield Verdict(sample, records, evaluations, difference)


def replay(layout: Layout, record: OlderRecord) -> tuple[int, str]:
    """Take the record's first steps again; return how many evaluations were compared, and the first difference.

    Raises DatasetError where the data are damaged.
    """
    cell, wanted = record.cell.value, record.digests
    fix_arithmetic(cell.recipe.cpu_threads)
    trained_on = record.metrics["environment"]["device"]
    try:
        device = choose_device("cpu" if trained_on == "cpu" else "cuda")
    except SmallmixError:
        return 0, f"trained on {trained_on}, and there is no GPU here"
    side = load_description(layout.dataset).image_shape[0]
    memory_format = choose_memory_format(device, cell.model.width, side)
    subset = layout.subset(record.cell)
    data = load_training_data(cell, layout.dataset, subset, device, memory_format, layout.validation)
    history = (record.entry.finished / "history.csv").read_bytes().splitlines()
    state = TrainingState.fresh(cell, data, device)
    state.model.train()
    try:
        executor = begin(data, state, lambda line: None)
        while state.iteration < record.replay_length:
            take(state, executor, executor.step)
            if state.iteration in wanted or state.evaluation_is_due:
                take(state, executor, executor.synchronize)
            if state.iteration in wanted and state.weights_sha256() != wanted[state.iteration]:
                return len(state.history), f"other weights after iteration {state.iteration}"
            if state.evaluation_is_due:
                evaluate_training(data, state)
                if history_csv(state.history).splitlines() != history[: len(state.history) + 1]:
                    return len(state.history), f"another evaluation after iteration {state.iteration}"
        take(state, executor, executor.synchronize)
    except NonFiniteEvaluation:
        return len(state.history), f"the loss of the replay is not finite after iteration {state.iteration}"
    except TrainingError as error:
        return len(state.history), f"the replay failed: {error}"
    return len(state.history), ""


def adopt(verdict: Verdict, version: str, report: Callable[[str], None]) -> int:
    """Enter the records that a sample stands for under their new keys; return how many.

    Needs a verdict without difference. Each record appears whole or not at all, whatever interrupts this. `version` is
    that of smallmix now.
    """
    assert not verdict.difference
    adopted = 0
    for record in verdict.records:
        old = record.metrics
        damage = record.entry.find_damage()
        if damage is not None:
            report(f"{record.cell.id} is not adopted: {damage}")
            continue
        note = {
            "code_fingerprint": old["code_fingerprint"],
            "version": old["environment"]["smallmix"],
            "adopted_by": version,
            "iterations": verdict.sample.replay_length,
            "evaluations": verdict.evaluations,
            "sample": verdict.sample.cell.value.fingerprint,
        }
        metrics = {
            **old,
            "code_fingerprint": record.code_fingerprint,
            "adopted_from": [*old.get("adopted_from", []), note],
        }
        content = {name: (record.entry.finished / name).read_bytes() for name in RECORD_FILES}
        if record.entry.keeps_weights and record.entry.explain_lost_weights() is None:
            content[WEIGHTS_FILE] = (record.entry.finished / WEIGHTS_FILE).read_bytes()
        content["metrics.json"] = (json.dumps(metrics, indent=1, allow_nan=False) + "\n").encode("ascii")
        try:
            record.target.acquire()
        except CellBusyError as error:
            report(f"{record.cell.id} is not adopted: {error}")
            continue
        try:
            record.target.finish(content)
            record.target.log(f"adopted from {record.entry.folder.name} (code {old['code_fingerprint']})")
        finally:
            record.target.release()
        adopted += 1
    return adopted


def _finished_records(store: Path) -> Iterator[tuple[StoreEntry, dict[str, Any]]]:
    """Give every finished record of the store that can be read; what is damaged is no record."""
    for path in sorted(store.glob("*/finished/checksums.json")):
        entry = StoreEntry(path.parent.parent)
        try:
            metrics = json.loads((entry.finished / "metrics.json").read_text(encoding="utf-8"))
            names = ("format", "cell_fingerprint", "data_fingerprint", "code_fingerprint", "environment", "timing")
            if all(name in metrics for name in names):
                yield entry, metrics
        except (OSError, ValueError, TypeError):
            continue
