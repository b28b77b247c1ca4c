"""Protects the promise that results of older code stand for this version's only where a replay agrees bit for bit."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from smallmix import atomic_files
from smallmix.commands.outdated import adopt_layout
from smallmix.errors import ReplayDiffers, SmallmixError
from smallmix.science import batch_plan, evaluation, results, steps, training_step
from smallmix.science.method import Draws
from smallmix.science.methods import images
from smallmix.study.cell import Cell
from smallmix.study.layout import STORE, Layout
from smallmix.study.study import Study
from smallmix.tables.collect import collect
from smallmix.tables.collected_tables import describe_provenance
from smallmix.training import adoption
from smallmix.training import train_cell as train_cell_module
from smallmix.training.adoption import adopt, find_candidates, judge
from smallmix.training.signals import StopRequest
from smallmix.training.train_cell import TrainingJob, train_cell
from smallmix.version import VERSION

from tests.synthetic_configuration import build_configuration
from tests.tiny_cell import TinyData

OLDER = "older code"
CELLS = 6
Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class TinyStudy:
    """Three methods and two seeds of 20 images, 12 iterations each; the first evaluation after 4."""

    layout: Layout

    @classmethod
    def write(cls, root: Path) -> TinyStudy:
        configuration = build_configuration(
            name="tiny", dataset="digits", sizes=(20,), seeds=(0, 1), width=4, budgets={"default": {"iterations": 12}}
        )
        configuration["model"]["blocks"] = [1, 1, 1, 1]
        configuration["recipe"] |= {"batch_size": 8, "learning_rate": 0.05}
        configuration["recipe"]["augmentation"] = {"crop_padding": 1, "flip": False}
        configuration["evaluation"]["iteration_budgets"] = {"every": 4}
        layout = Layout(Study.from_configuration(configuration), root)
        data = TinyData.write(root)
        layout.dataset.parent.mkdir(parents=True, exist_ok=True)
        data.dataset.rename(layout.dataset)
        for cell in layout.study.cells:
            layout.subset(cell).parent.mkdir(parents=True, exist_ok=True)
            layout.subset(cell).write_bytes(data.subset.read_bytes())
        return cls(layout)

    def train(self) -> list[str]:
        """Train every cell, or find it in the store; returns the lines that were reported."""
        lines: list[str] = []
        for cell in self.layout.study.cells:
            paths = (self.layout.dataset, self.layout.subset(cell), self.layout.root / STORE, self.layout.cell(cell))
            train_cell(TrainingJob(cell.value, *paths, version="1", device="cpu"), StopRequest(), lines.append)
        return lines

    def train_with_older_code(self, *patches: Patch) -> None:
        """Train every cell under another fingerprint of the code, with the code as it is but for `patches`."""
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(train_cell_module, "fingerprint_training", lambda *names: OLDER)
            for patch in patches:
                patch(monkeypatch)
            self.train()

    def histories(self) -> list[bytes]:
        """Return the history.csv of every cell."""
        return [(self.layout.cell(cell) / "history.csv").read_bytes() for cell in self.layout.study.cells]

    def store(self) -> dict[str, bytes]:
        """Return every file of every finished record."""
        folder = self.layout.root / STORE
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/finished/*"))}


def faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the older code learn a ten-thousandth faster."""
    rates = batch_plan.learning_rates

    def changed(cell: Cell, first: int, count: int) -> NDArray[np.float32]:
        return rates(cell, first, count) * np.float32(1.0001)

    monkeypatch.setattr(batch_plan, "learning_rates", changed)


def smaller_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the older code weigh the loss a ten-thousandth less."""
    loss = training_step.batch_loss
    smaller = partial(training_step.traceable_step, loss_function=lambda *given: loss(*given) * 0.9999)
    monkeypatch.setattr(steps, "traceable_step", smaller)


def later_decay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the older code learn faster after the last step that a replay takes."""
    rates = batch_plan.learning_rates

    def changed(cell: Cell, first: int, count: int) -> NDArray[np.float32]:
        late = np.arange(first, first + count) >= 10
        return np.where(late, rates(cell, first, count) * np.float32(1.5), rates(cell, first, count))

    monkeypatch.setattr(batch_plan, "learning_rates", changed)


def other_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one method of the older code draw other weights."""
    draw = images.Images.draw

    def changed(method: images.Images, draws: Draws) -> dict[str, NDArray[Any]]:
        return {name: 1 - table for name, table in draw(method, draws).items()}

    monkeypatch.setattr(images.Images, "draw", changed)


def other_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the older code evaluate mirrored images."""
    evaluate = evaluation.evaluate

    def changed(model: Any, data: Any, *rest: Any) -> Any:
        return evaluate(model, dataclasses.replace(data, images=data.images.flip(-1)), *rest)

    monkeypatch.setattr(results, "evaluate", changed)


def adopt_all(study: TinyStudy, every_record: bool = False, dry_run: bool = False) -> int:
    """Run the command on the study; returns its exit code."""
    return adopt_layout(study.layout, every_record, dry_run)


@pytest.fixture
def study(tmp_path: Path) -> TinyStudy:
    return TinyStudy.write(tmp_path)


def test_after_an_adoption_nothing_is_trained_and_the_record_shows_it(
    study: TinyStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    study.train_with_older_code()
    histories, before = study.histories(), study.store()
    assert adopt_all(study) == 0
    printed = capsys.readouterr().out
    assert printed.count("agrees bit for bit (10 iterations and 2 evaluations)") == 3  # one of each method
    assert f"adopted: {CELLS} of {CELLS}" in printed
    lines = study.train()
    assert len(lines) == CELLS
    assert all(line.startswith("found in the store") for line in lines)
    assert study.histories() == histories
    assert before.items() <= study.store().items()  # the older records stay as they were
    collected = collect(study.layout.study, study.layout)
    assert len(collected.current) == CELLS
    metrics = collected.current[0].metrics
    assert metrics is not None
    (note,) = metrics["adopted_from"]
    assert (note["code_fingerprint"], note["version"], note["iterations"], note["evaluations"]) == (OLDER, "1", 10, 2)
    provenance = describe_provenance(collected)
    assert sum(len(one["cells"]) for one in provenance["adopted"]) == CELLS
    assert len({one["sample"] for one in provenance["adopted"]}) == 3
    (sentence,) = (sentence for sentence in provenance["notes"] if "agreed bit for bit" in sentence)
    assert sentence.startswith(f"6 cells were trained by smallmix 1 and adopted by {VERSION}. ")
    assert "(3 of the cells, at least 10 iterations each)" in sentence
    assert adopt_all(study) == 0  # nothing left to do
    assert "6 cells are current" in capsys.readouterr().out


def test_what_was_adopted_can_be_adopted_again_by_a_later_version(
    study: TinyStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.train_with_older_code()
    monkeypatch.setattr(adoption, "fingerprint_training", lambda *names: "code between")
    assert adopt_all(study) == 0
    monkeypatch.undo()
    # Only the adopted records are left, as where an older store was cleared.
    for path in (study.layout.root / STORE).glob("*/finished/metrics.json"):
        if json.loads(path.read_text(encoding="utf-8"))["code_fingerprint"] == OLDER:
            shutil.rmtree(path.parent)
    assert adopt_all(study) == 0
    assert all(line.startswith("found in the store") for line in study.train())
    metrics = json.loads((study.layout.cell(study.layout.study.cells[0]) / "metrics.json").read_text(encoding="utf-8"))
    assert [one["code_fingerprint"] for one in metrics["adopted_from"]] == [OLDER, "code between"]


@pytest.mark.parametrize(
    ("patch", "difference"),
    [
        (faster, "another schedule of the learning rate"),
        (later_decay, "another schedule of the learning rate"),
        (smaller_step, "other weights after iteration 1"),
        (other_evaluation, "another evaluation after iteration 4"),
    ],
    ids=["schedule", "late schedule", "arithmetic", "evaluation"],
)
def test_what_was_computed_otherwise_is_refused_and_nothing_changes(
    study: TinyStudy, capsys: pytest.CaptureFixture[str], patch: Patch, difference: str
) -> None:
    study.train_with_older_code(patch)
    before = study.store()
    with pytest.raises(ReplayDiffers, match="6 of 6 results") as caught:
        adopt_all(study)
    assert caught.value.exit_code == 7
    assert capsys.readouterr().out.count(difference) == 3
    assert study.store() == before
    assert any(line.startswith("training 12 iterations") for line in study.train())


@pytest.mark.parametrize("every_record", [False, True])
def test_of_a_mixed_store_only_what_agrees_is_adopted(
    study: TinyStudy, capsys: pytest.CaptureFixture[str], every_record: bool
) -> None:
    study.train_with_older_code(other_weights)
    with pytest.raises(ReplayDiffers, match="2 of 6 results"):
        adopt_all(study, every_record)
    printed = capsys.readouterr().out
    assert printed.count("agrees bit for bit") == (4 if every_record else 2)
    assert "adopted: 4 of 6" in printed
    found = find_candidates(study.layout)
    assert found.current == 4
    assert {one.cell.value.method.mix for one in found.older} == {"images"}


def test_records_without_digests_are_counted_and_left(study: TinyStudy, capsys: pytest.CaptureFixture[str]) -> None:
    study.train_with_older_code()
    for path in (study.layout.root / STORE).glob("*/finished/metrics.json"):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        del metrics["early_weights_sha256"]
        path.write_text(json.dumps(metrics), encoding="utf-8")
    before = study.store()
    assert adopt_all(study) == 0
    assert "6 cells have older results without digests" in capsys.readouterr().out
    assert study.store() == before


def test_a_dry_run_compares_and_changes_nothing(study: TinyStudy, capsys: pytest.CaptureFixture[str]) -> None:
    study.train_with_older_code()
    before = study.store()
    assert adopt_all(study, dry_run=True) == 0
    assert capsys.readouterr().out.count("agrees bit for bit") == 3
    assert study.store() == before


def test_memory_makes_no_kind_of_its_own(study: TinyStudy) -> None:
    """Records of a machine that keeps memory and of one that does not need one replay: the bits are the same."""
    study.train_with_older_code()
    older = find_candidates(study.layout).older
    kinds = {one.kind for one in older}
    for number, record in enumerate(older):
        record.metrics["environment"]["memory"] = f"another memory, {number}"
    assert {one.kind for one in older} == kinds
    for record in older:
        record.metrics["environment"]["processor"] = "another processor"
    assert {one.kind for one in older}.isdisjoint(kinds)


def test_an_interrupted_adoption_leaves_the_old_or_the_new(study: TinyStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    study.train_with_older_code()
    before = study.store()
    (verdict, *_) = list(judge(study.layout, find_candidates(study.layout).older, every_record=True))
    (record,) = verdict.records
    write = atomic_files.atomic_writer
    for allowed in range(5):
        left = allowed

        def failing(*arguments: Any, **choices: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return write(*arguments, **choices)

        with monkeypatch.context() as patch:
            patch.setattr(atomic_files, "atomic_writer", failing)
            try:
                adopt(verdict, "2", print)
            except KeyboardInterrupt:
                assert not record.target.is_finished
                assert record.target.find_damage() is None
            else:
                break
        assert before.items() <= study.store().items()
    else:
        pytest.fail("never adopted")
    assert allowed >= 4  # three files and their checksums
    assert record.target.is_finished
    assert before.items() <= study.store().items()


def test_a_damaged_record_is_not_adopted(study: TinyStudy, capsys: pytest.CaptureFixture[str]) -> None:
    study.train_with_older_code()
    found = find_candidates(study.layout)
    (found.older[0].entry.finished / "predictions.npz").write_bytes(b"not what was written")
    adopt_all(study)
    printed = capsys.readouterr().out
    assert "is not adopted: predictions.npz is not the file that was written" in printed
    assert "adopted: 5 of 6" in printed


def test_where_no_images_are_the_remedy_brings_them(tmp_path: Path) -> None:
    """No folder is to be deleted that is not there."""
    study = TinyStudy.write(tmp_path)
    shutil.rmtree(study.layout.dataset)
    with pytest.raises(SmallmixError, match=r"are not in .*, and results are replayed on them\. Bring them with"):
        adopt_layout(study.layout, False, False)
