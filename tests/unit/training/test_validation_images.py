"""Protects trainings with validation images: nothing else of a training changes, and a stop changes nothing."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from smallmix.commands.main import main
from smallmix.datasets.data_fingerprint import fingerprint_data
from smallmix.datasets.description import load_description
from smallmix.errors import DatasetError, Interrupted
from smallmix.science import evaluation, results
from smallmix.study.cell import Cell, SubsetValue
from smallmix.study.layout import Layout
from smallmix.study.study import Study
from smallmix.study.validation_draw import ValidationDraw
from smallmix.training import train_cell as train_cell_module
from smallmix.training.adoption import adopt, find_candidates, judge
from smallmix.training.cell_data import check_data_of
from smallmix.training.checkpoint import NEWEST, read_checkpoint, save_checkpoint
from smallmix.training.signals import StopRequest
from smallmix.training.subset_tables import extract_subset, read_subset
from smallmix.training.train_cell import TrainingJob, train_cell
from smallmix.training.validation_table import draw_validation, explain_other_draw

from tests.synthetic_configuration import build_configuration
from tests.tiny_cell import StopAtCheck, TinyData, tiny_cell

IMAGES = 15


@dataclass(frozen=True)
class ValidatedData:
    """60 training images, of which a subset uses the first 20, and a drawn table of 15 others."""

    tiny: TinyData
    validation: Path

    @classmethod
    def write(cls, folder: Path) -> ValidatedData:
        tiny = TinyData.write(folder, size=60)
        classes = load_description(tiny.dataset).classes
        table = tiny.dataset / "train.csv"
        subset, validation = folder / "n20.csv", folder / "validation.csv"
        extract_subset(SubsetValue("head", 20), table, classes, subset)
        draw_validation(DRAW, table, classes, validation)
        return cls(TinyData(tiny.dataset, subset), validation)

    def train(self, cell: Cell, folder: Path, *stop: Any) -> Path:
        output, _ = self.tiny.train(cell, folder, *stop, validation=self.validation)
        return output


DRAW = ValidationDraw(IMAGES, 0, (SubsetValue("head", 20),))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ValidatedData:
    return ValidatedData.write(tmp_path_factory.mktemp("data"))


def validated_cell(**choices: Any) -> Cell:
    cell = tiny_cell("images-and-labels", **choices)
    return replace(cell, evaluation=replace(cell.evaluation, validation_images=IMAGES))


def history(output: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((output / "history.csv").read_text(encoding="ascii").splitlines()))


def numbers(output: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((output / "metrics.json").read_text(encoding="ascii"))
    return metrics


def test_all_other_numbers_are_those_of_a_training_without(data: ValidatedData, tmp_path: Path) -> None:
    cell = tiny_cell("images-and-labels")
    plain, _ = data.tiny.train(cell, tmp_path / "plain")
    output = data.train(validated_cell(), tmp_path / "validated")
    assert numbers(plain)["weights_sha256"] == numbers(output)["weights_sha256"]
    assert (plain / "predictions.npz").read_bytes() == (output / "predictions.npz").read_bytes()
    shared = list(history(plain)[0])
    assert [{name: row[name] for name in shared} for row in history(output)] == history(plain)
    assert list(history(output)[0]) == [*shared, "validation_loss", "validation_accuracy"]
    assert not [name for name in numbers(plain) if "validation" in name]


def test_the_accuracy_is_that_of_the_table_s_images(data: ValidatedData, tmp_path: Path) -> None:
    """Fifteenths, and another table with other images gives another loss."""
    output = data.train(validated_cell(), tmp_path / "one")
    for row in history(output):
        correct = float(row["validation_accuracy"]) * IMAGES
        assert correct == pytest.approx(round(correct), abs=1e-6)
    classes = load_description(data.tiny.dataset).classes
    draw_validation(replace(DRAW, seed=1), data.tiny.dataset / "train.csv", classes, tmp_path / "validation.csv")
    other = replace(data, validation=tmp_path / "validation.csv").train(validated_cell(), tmp_path / "other")
    assert [row["validation_loss"] for row in history(other)] != [row["validation_loss"] for row in history(output)]
    assert [row["test_loss"] for row in history(other)] == [row["test_loss"] for row in history(output)]
    assert numbers(other)["data_fingerprint"] != numbers(output)["data_fingerprint"]


def test_the_record_names_the_accuracy_that_validation_chooses(data: ValidatedData, tmp_path: Path) -> None:
    output = data.train(validated_cell(iterations=30, every=3), tmp_path)
    rows = history(output)
    best = max(float(row["validation_accuracy"]) for row in rows)
    first = next(row for row in rows if float(row["validation_accuracy"]) == best)
    metrics = numbers(output)
    assert metrics["validation_best_iteration"] == int(first["iteration"])
    assert metrics["validation_best_test_accuracy"] == pytest.approx(float(first["test_accuracy"]), abs=1e-8)


def test_stopped_at_every_moment_and_continued(data: ValidatedData, tmp_path: Path) -> None:
    cell = validated_cell()
    wanted = data.train(cell, tmp_path / "undisturbed")
    for number in range(100):
        folder = tmp_path / str(number)
        try:
            data.train(cell, folder, StopAtCheck(number))
        except Interrupted:
            output = data.train(cell, folder)
        else:
            break
        for name in ("history.csv", "predictions.npz"):
            assert (output / name).read_bytes() == (wanted / name).read_bytes(), number
        for name in ("weights_sha256", "validation_best_iteration", "validation_best_test_accuracy"):
            assert numbers(output)[name] == numbers(wanted)[name]
    assert number > 2 + cell.iterations + 3 * 2  # validation is one more place within each evaluation


def test_a_checkpoint_whose_history_lacks_validation_is_not_believed(data: ValidatedData, tmp_path: Path) -> None:
    cell = validated_cell()
    with pytest.raises(Interrupted):
        data.train(cell, tmp_path, StopAtCheck(12))
    (entry,) = (tmp_path / "store").iterdir()
    saved = read_checkpoint(entry / NEWEST, entry.name)
    assert all(len(row) == 10 for row in saved["history"])
    assert saved["history"]
    saved["history"] = [row[:8] for row in saved["history"]]
    save_checkpoint(entry, entry.name, saved)
    (entry / "checkpoint-previous.pt").unlink()
    output, lines = data.tiny.train(cell, tmp_path, validation=data.validation)
    assert any("does not fit the cell's validation images" in line for line in lines)
    assert len(history(output)) == 3


def test_a_validation_loss_that_is_not_finite_ends_the_training(
    data: ValidatedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = evaluation.evaluate

    def spoilt(model: Any, images: Any, *rest: Any) -> Any:
        found = evaluate(model, images, *rest)
        return replace(found, loss=float("nan")) if len(images.labels) == IMAGES else found

    monkeypatch.setattr(results, "evaluate", spoilt)
    with pytest.raises(Exception, match="the loss on the validation images is nan"):
        data.train(validated_cell(), tmp_path)


def test_the_table_counts_in_the_fingerprint_where_there_is_one(data: ValidatedData, tmp_path: Path) -> None:
    subset, dataset = data.tiny.subset, data.tiny.dataset
    without, with_table = fingerprint_data(subset, dataset), fingerprint_data(subset, dataset, data.validation)
    assert without != with_table
    changed = tmp_path / "validation.csv"
    changed.write_text(data.validation.read_text(encoding="utf-8") + "59,9,9\n", encoding="utf-8")
    assert fingerprint_data(subset, dataset, changed) not in (without, with_table)
    with pytest.raises(DatasetError, match="snakemake --cores 1 subsets"):
        fingerprint_data(subset, dataset, tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([*range(15)], "14 different rows"),
        ([0], "0 different rows"),
        ([*range(15), 1], "14 different rows"),
    ],
    ids=["one too few", "none", "one twice"],
)
def test_a_table_of_other_rows_is_refused(data: ValidatedData, tmp_path: Path, lines: list[int], says: str) -> None:
    table = tmp_path / "validation.csv"
    content = data.validation.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(content[line] for line in lines), encoding="utf-8")
    with pytest.raises(DatasetError, match=f"{says}.*drawn anew"):
        check_data_of(validated_cell(), data.tiny.dataset, data.tiny.subset, table)


def test_images_that_are_trained_on_do_not_validate(data: ValidatedData, tmp_path: Path) -> None:
    table = tmp_path / "validation.csv"
    rows = data.tiny.subset.read_text(encoding="utf-8").splitlines(keepends=True)[: IMAGES + 1]
    table.write_text("".join(rows), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"shares 15 images with .*n20\.csv, on which the cell is trained"):
        check_data_of(validated_cell(), data.tiny.dataset, data.tiny.subset, table)
    with pytest.raises(DatasetError, match="shares 15 images"):
        data.tiny.train(validated_cell(), tmp_path, validation=table)


def test_a_missing_table_and_one_too_many_are_refused(data: ValidatedData, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="15 validation images; name their table with --validation"):
        check_data_of(validated_cell(), data.tiny.dataset, data.tiny.subset)
    with pytest.raises(DatasetError, match="has no validation images; leave out the table"):
        data.tiny.train(tiny_cell(), tmp_path, validation=data.validation)
    check_data_of(validated_cell(), data.tiny.dataset, data.tiny.subset, data.validation)
    check_data_of(tiny_cell(), data.tiny.dataset, data.tiny.subset)


def test_the_draw_avoids_every_seed_s_subset(data: ValidatedData, tmp_path: Path) -> None:
    subsets = tuple(SubsetValue("random", 12, seed) for seed in range(3))
    draw = ValidationDraw(20, 5, subsets)
    assert ValidationDraw.from_json(draw.to_json()) == draw
    table, target = data.tiny.dataset / "train.csv", tmp_path / "validation.csv"
    classes = load_description(data.tiny.dataset).classes
    labels = draw_validation(draw, table, classes, target)
    rows, written = read_subset(target)
    assert len(rows) == 20
    assert written.tolist() == labels.tolist()
    for number, subset in enumerate(subsets):
        extract_subset(subset, table, classes, tmp_path / f"{number}.csv")
        used, _ = read_subset(tmp_path / f"{number}.csv")
        assert not set(rows.tolist()) & set(used.tolist())
    assert explain_other_draw(draw, data.tiny.dataset, target) is None
    other = explain_other_draw(replace(draw, seed=6), data.tiny.dataset, target)
    assert other is not None
    assert "not those of the draw" in other


def test_the_step_draws_and_refuses_with_the_remedy(
    data: ValidatedData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def draw(text: str) -> int:
        words = ["draw-validation", "--dataset", str(data.tiny.dataset), "--draw", text]
        return main([*words, "--output", str(tmp_path / "validation.csv")])

    assert draw(DRAW.to_json()) == 0
    assert "15 validation images that no subset uses" in capsys.readouterr().out
    assert (tmp_path / "validation.csv").read_bytes() == data.validation.read_bytes()
    assert draw(replace(DRAW, images=41).to_json()) != 0
    said = capsys.readouterr().err
    assert "41 images wanted, but the study's subsets leave only 40 of the 60 training images" in said
    assert "Lower it to at most 40" in said
    assert draw("{}") != 0
    assert "--draw is not the draw of a study" in capsys.readouterr().err


def test_several_cells_of_one_process_get_the_same(data: ValidatedData, tmp_path: Path) -> None:
    alone = data.train(validated_cell(), tmp_path / "alone")
    job = {
        "cell": validated_cell().to_dict(),
        "dataset": str(data.tiny.dataset),
        "subset": str(data.tiny.subset),
        "validation": str(data.validation),
        "output": str(tmp_path / "together"),
    }
    (tmp_path / "jobs.json").write_text(json.dumps([job]), encoding="utf-8")
    words = ["--jobs", str(tmp_path / "jobs.json"), "--device", "cpu", "--store", str(tmp_path / "store")]
    assert main(["train-cells", *words]) == 0
    for name in ("history.csv", "predictions.npz"):
        assert (tmp_path / "together" / name).read_bytes() == (alone / name).read_bytes()
    shutil.rmtree(tmp_path / "together")


def test_results_of_older_code_are_adopted_with_their_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replay takes ten steps, over two evaluations, whose rows have the validation images as well."""
    layout = small_study(tmp_path)
    (cell,) = layout.study.cells
    job = TrainingJob(
        cell=cell.value,
        dataset=layout.dataset,
        subset=layout.subset(cell),
        validation=layout.validation,
        store=layout.store,
        output=layout.cell(cell),
        version="1",
        device="cpu",
    )
    with monkeypatch.context() as older:
        older.setattr(train_cell_module, "fingerprint_training", lambda cell: "older code")
        train_cell(job, StopRequest(), lambda line: None)
    found = find_candidates(layout)
    assert (len(found.older), found.missing) == (1, 0)
    (verdict,) = judge(layout, found.older, every_record=False)
    assert (verdict.difference, verdict.evaluations) == ("", 2)
    assert adopt(verdict, "2", lambda line: None) == 1
    lines: list[str] = []
    train_cell(job, StopRequest(), lines.append)
    assert any("nothing to train" in line for line in lines)
    assert find_candidates(layout).current == 1


def small_study(root: Path) -> Layout:
    """Return a study of one cell with its data on the disk: 12 iterations, evaluated after 4, 8 and 12."""
    methods = {"non": {"mix": "none", "beta": None}}
    configuration = build_configuration(
        name="tiny", dataset="digits", sizes=(20,), seeds=(0,), width=4, methods=methods, validation_images=IMAGES,
        budgets={"default": {"iterations": 12}},
    )  # fmt: skip
    configuration["model"]["blocks"] = [1, 1, 1, 1]
    configuration["recipe"] |= {"batch_size": 8, "learning_rate": 0.05}
    configuration["recipe"]["augmentation"] = {"crop_padding": 1, "flip": False}
    configuration["evaluation"]["iteration_budgets"] = {"every": 4}
    layout = Layout(Study.from_configuration(configuration), root)
    written = ValidatedData.write(root / "made")
    layout.dataset.parent.mkdir(parents=True)
    written.tiny.dataset.rename(layout.dataset)
    (cell,) = layout.study.cells
    layout.subset(cell).parent.mkdir(parents=True)
    written.tiny.subset.rename(layout.subset(cell))
    assert layout.validation is not None
    written.validation.rename(layout.validation)
    return layout
