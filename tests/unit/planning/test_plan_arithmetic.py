"""Protects the arithmetic of the plan: operations, bytes, seconds, and the words that carry them, by hand.

A network of width 4 with one block a stage, on digits of 8 x 8 x 1 pixels (1,297 and 500 images, ten classes).

Operations of a forward pass (twice the multiplications): the stem 2 x 9 x 4 x 64 = 4,608; the first block
2 x 9 x 64 x 4 x 8 = 36,864; the others 2 x 9 x 16 x 8 x 12 = 2 x 9 x 4 x 16 x 24 = 2 x 9 x 32 x 48 = 27,648 with
projections of 1,024; the classifier 640. Together 128,128.

Weights: 36; 16 + 288; 24 + 864 + 32; 48 + 3,456 + 128; 96 + 13,824 + 512; 64 behind the last block; 330.
Together 19,718.

256 images are two batches an epoch: 50 epochs are 100 steps that see 12,800 images, with 50 evaluations of 500 and of
200 images. 100 images are one batch: 300 steps that see 30,000 images, with 3 evaluations of 500 and of 100 images.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from smallmix.errors import ConfigurationError
from smallmix.planning import plan as plan_module
from smallmix.planning import probe as probe_module
from smallmix.planning.capacity import Capacity
from smallmix.planning.cost import (
    CellWork,
    ImagesInNumbers,
    checkpoint_bytes,
    cost_of_network,
    dataset_bytes,
    evaluation_flops,
    result_bytes,
    training_flops,
    weights_bytes,
)
from smallmix.planning.estimate import RunJobs
from smallmix.planning.pace import Pace
from smallmix.planning.plan import brief_plan, full_plan
from smallmix.planning.probe import Measurement, Probe
from smallmix.study.study import Study

from tests.synthetic_configuration import build_configuration
from tests.unit.datasets.class_folders import one_folder

FORWARD = 128_128
DIGITS = ImagesInNumbers(side=8, channels=1, classes=10, train_count=1297, test_count=500)


@pytest.fixture
def study() -> Study:
    """Two sizes, two methods, two seeds."""
    configuration = build_configuration(
        dataset="digits",
        sizes=(256, 100),
        methods={"non": {"mix": "none", "beta": None}, "label-mix": {"mix": "images-and-labels", "beta": [1.0, 1.0]}},
        seeds=(0, 1),
        width=4,
        budgets={"default": {"epochs": 50}, "100": {"iterations": 300}},
    )
    configuration["model"]["blocks"] = [1, 1, 1, 1]
    configuration["evaluation"] |= {"iteration_budgets": {"every": 100}, "clean_train_limit": 200}
    return Study.from_configuration(configuration)


@pytest.mark.parametrize(
    ("dataset", "images"),
    [
        ({"name": "digits"}, DIGITS),
        ({"name": "cifar10"}, ImagesInNumbers(32, 3, 10, 50_000, 10_000)),
        ({"name": "cifar100"}, ImagesInNumbers(32, 3, 100, 50_000, 10_000)),
        ({"name": "mnist"}, ImagesInNumbers(28, 1, 10, 60_000, 10_000)),
        ({"name": "stl10"}, ImagesInNumbers(96, 3, 10, 5_000, 8_000)),
        (
            {"name": "image-list", "image-list": {"folder": None, "image_size": 16, "color": "grey"}},
            ImagesInNumbers(16, 1, 10, 256, 10_000),
        ),
    ],
    ids=["digits", "cifar10", "cifar100", "mnist", "stl10", "image-list"],
)
def test_images_that_are_not_there_yet(study: Study, dataset: dict[str, Any], images: ImagesInNumbers) -> None:
    study.configuration["dataset"] |= dataset
    assert ImagesInNumbers.of(study, None) == images


def test_the_images_of_a_list_are_counted_before_they_are_fetched(study: Study, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("path,label\na.png,cat\nb.png,dog\n\n", encoding="utf-8")
    (tmp_path / "test.csv").write_text("path,label\nc.png,cat", encoding="utf-8")
    custom = {"folder": str(tmp_path), "image_size": 16, "color": "rgb"}
    study.configuration["dataset"] |= {"name": "image-list", "image-list": custom}
    assert ImagesInNumbers.of(study, None) == ImagesInNumbers(16, 3, 10, 2, 1)


def test_an_unknown_data_set_is_no_image_list(study: Study) -> None:
    study.configuration["dataset"]["name"] = "lsun"
    with pytest.raises(ConfigurationError, match=r"dataset\.name is 'lsun'; it must be one of cifar10, .*image-folder"):
        ImagesInNumbers.of(study, None)


def test_images_in_class_folders_are_counted_before_they_are_read(study: Study, tmp_path: Path) -> None:
    folder = one_folder(tmp_path / "x", 10, ("cat", "dog", "fox"))
    settings = {"folder": str(folder), "image_size": 16, "color": "grey", "test_share": 0.2}
    study.configuration["dataset"] = {"name": "image-folder", "image-folder": settings}
    assert ImagesInNumbers.of(study, None) == ImagesInNumbers(16, 1, 3, 24, 6)


def test_operations_of_training_and_evaluation(study: Study) -> None:
    """Forward and backward together are three forward passes."""
    large, small = study.cells[0].value, study.cells[-1].value
    assert (large.size, small.size) == (256, 100)
    assert training_flops(large, DIGITS) == 3 * 12_800 * FORWARD
    assert training_flops(small, DIGITS) == 3 * 30_000 * FORWARD
    assert evaluation_flops(large, DIGITS) == 50 * (500 + 200) * FORWARD
    assert evaluation_flops(small, DIGITS) == 3 * (500 + 100) * FORWARD


def test_validation_images_are_evaluated_at_the_same_moments(study: Study) -> None:
    value = study.cells[0].value
    validated = dataclasses.replace(value, evaluation=dataclasses.replace(value.evaluation, validation_images=600))
    assert evaluation_flops(validated, DIGITS) == evaluation_flops(value, DIGITS) + 50 * 600 * FORWARD
    assert training_flops(validated, DIGITS) == training_flops(value, DIGITS)
    more = CellWork.of(validated, DIGITS).layer_evaluations - CellWork.of(value, DIGITS).layer_evaluations
    assert more == cost_of_network(value, DIGITS).layers * 50 * 2  # batches of 500 and of 100 images


def test_bytes_of_results_checkpoints_and_images(study: Study) -> None:
    """Results lie in the store and in the study's folder; checkpoints are three, of weights and momentum in 4 bytes."""
    large, small = study.cells[0].value, study.cells[-1].value
    assert result_bytes(large, DIGITS) == 2 * (500 * 10 * 2 + 50 * 90 + 8_000)
    assert result_bytes(small, DIGITS) == 2 * (500 * 10 * 2 + 3 * 90 + 8_000)
    assert checkpoint_bytes(large, DIGITS) == 3 * 2 * 4 * 19_718
    assert weights_bytes(large, DIGITS) == 2 * 4 * 19_718
    assert dataset_bytes(DIGITS) == (1297 + 500) * (64 + 8)


# Assumed on a core: 1.5 s to start, 0.3 ms a layer (10 of them) and step, 75 billion operations a second, in
# evaluations 0.1 ms a layer and 60 billion. At 256 images 1.5 + 100 x 0.003 + 0.0656 + 50 x 2 x 0.001 + 0.0747 =
# 2.040 s; at 100 images 1.5 + 300 x 0.003 + 0.1538 + 3 x 2 x 0.001 + 0.0038 = 2.564 s; a job of Snakemake 0.05 s more.
# Before the cells: 2.038 s of Snakemake, 0.15 s, 1.35 s for the digits, 2 x 0.20 s for subsets: 3.938 s. Behind them:
# 0.15 + 0.314 + 0.50 + 0.508 + 0.50 + 2 x 0.566 + 4.382 + 1.558 s and 0.7 s of Snakemake: 9.744 s. Both: 13.68 s.
# One core: 4 x 2.090 + 4 x 2.614 + 13.68 = 32.50 s. Two at once take 1.05 times as long each: 2 x 2.742 + 2 x 2.192 +
# 13.68 = 23.55 s. Assumed speeds may be off by 1.6 either way.
@pytest.mark.parametrize(
    ("cores", "at_once", "seconds"), [(1, 1, "20 to 50 s"), (2, 2, "15 to 40 s"), (16, 8, "10 to 25 s")]
)
def test_the_first_line_puts_the_cells_on_the_cores(
    study: Study, tmp_path: Path, cores: int, at_once: int, seconds: str
) -> None:
    """Eight cells cannot be faster than the longest of them."""
    assert brief_plan(study, tmp_path, Capacity(cores)) == (
        f"smallmix: study synthetic: 8 of 8 cells to train on CPU ({at_once} at once); {seconds} (by assumed speeds)."
    )


def test_some_cells_are_counted_and_timed_alone(study: Study, tmp_path: Path) -> None:
    """Two cells of 256 images on one core, and nothing else to make: 2 x 2.090 + 2.016 + 0.7 = 6.9 s."""
    jobs = RunJobs(frozenset({"n256/non/seed0", "n256/non/seed1"}), {})
    assert brief_plan(study, tmp_path, Capacity(1), jobs) == (
        "smallmix: study synthetic: 2 of the 8 cells that are not trained yet, 8 in all, to train on CPU (1 at once); "
        "4 to 10 s (by assumed speeds)."
    )


def test_two_gpus_train_two_cells_at_once(study: Study, tmp_path: Path) -> None:
    """On a GPU: 9 s to start, 0.15 ms a layer and step; the operations hardly count. No two of them slow each other.

    9 + 0.15 + 50 x 2 x 10 x 0.00005 = 9.20 s and 9 + 0.45 + 0.003 = 9.453 s; 2 x 9.25 + 2 x 9.503 + 12.55 = 50.06 s.
    """
    line = brief_plan(study, tmp_path, Capacity(16, on_gpus=2))
    assert line == ("smallmix: study synthetic: 8 of 8 cells to train on 2 GPUs; 30 to 80 s (by assumed speeds).")


# Twice the fixed cost, half the rate: 1.5 + 0.6 + 0.1312 + 0.2 + 0.1495 = 2.581 s at 256 images, and at 100 images
# 1.5 + 1.8 + 0.3075 + 0.012 + 0.0077 = 3.627 s.
SLOW = Pace(start_seconds=1.5, layer_seconds=0.6e-3, training=3.75e10, evaluation=3.0e10, basis="measured")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe in the place of one that takes its time."""
    step = Probe("cpu", seconds_a_step=0.00964004, flops_a_second=1.5e10)
    monkeypatch.setattr(probe_module, "measure", lambda cell, images: Measurement(step, SLOW))
    monkeypatch.setattr(plan_module, "usable_cores", lambda: 2)


@pytest.mark.usefixtures("measured")
def test_the_plan_adds_up(study: Study, tmp_path: Path) -> None:
    """PFLOP: (3 x 12,800 + 50 x 700) x 128,128 = 9.40e-6 a cell and (3 x 30,000 + 3 x 600) x 128,128 = 1.176e-5.

    Seconds, two at once: 2.968 and 4.171 a cell; 2 x 4.221 + 2 x 3.018 + 12.550 = 27.03.
    Bytes with two at once: 4 x (45,000 + 36,540) + 2 x 473,232 + 129,384 = 1,402,008.
    """
    lines = full_plan(study, tmp_path, Capacity(2), ()).splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line.strip().startswith(("256 ", "100 "))}
    assert rows["256"] == ["256", "4", "0", "0", "0", "0", "0", "4", "100", "9.4e-06", "3", "s"]
    assert rows["100"] == ["100", "4", "0", "0", "0", "0", "0", "4", "300", "1.18e-05", "4", "s"]
    assert (
        "To train: 8 of 8 cells, 1,600 iterations, 8.47e-05 PFLOP (6.58e-05 for training, 1.89e-05 for evaluations)."
    ) in lines
    assert (
        "Estimated time: about 25 s (by a measurement on this machine), with 2 cells at once. Starts, evaluations, "
        "tables, figures and report are included."
    ) in lines
    assert "Network preact-resnet18: 19,718 weights, 0.128 MFLOP a forward pass of an image" in lines
    assert "Disk: about 1.4 MB more." in lines
    assert any(line.startswith("Measured here: 9.6 ms a step, 15 GFLOP/s a cell, on cpu") for line in lines)


@pytest.mark.usefixtures("measured")
def test_the_plan_says_how_large_kept_networks_are(study: Study, tmp_path: Path) -> None:
    """Eight networks of 2 x 4 x 19,718 bytes are 1,261,952 of the 1,402,008 + 1,261,952 = 2,663,960 bytes."""
    keeping = Study.from_configuration({**study.configuration, "keep": {"weights": "final"}})
    lines = full_plan(keeping, tmp_path, Capacity(2), ()).splitlines()
    assert "Disk: about 2.7 MB more, 1.3 MB of it for 8 networks (keep.weights: final)." in lines


@pytest.mark.usefixtures("measured")
def test_one_cell_at_a_time_has_one_checkpoint(study: Study, tmp_path: Path) -> None:
    """4 x (45,000 + 36,540) + 473,232 + 129,384 = 928,776 bytes; 4 x 2.631 + 4 x 3.677 + 12.55 = 37.8 s on one core."""
    lines = full_plan(study, tmp_path, Capacity(1), ()).splitlines()
    assert "Disk: about 929 kB more." in lines
    assert any(line.startswith("Estimated time: about 40 s (by") and "with 1 cell at once" in line for line in lines)
    assert "With --cores all: about 25 s, with 2 cells at once." in lines


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("cores", [1, 2])
def test_plan_and_first_line_say_the_same_once_it_was_measured(study: Study, tmp_path: Path, cores: int) -> None:
    """The first line asks for less only where nothing was measured: a range."""
    assert "by assumed speeds" in brief_plan(study, tmp_path, Capacity(cores))
    table = full_plan(study, tmp_path, Capacity(cores), ())
    line = brief_plan(study, tmp_path, Capacity(cores))
    said = line.partition("; ")[2].removesuffix(".")
    assert "by a measurement on this machine" in said
    assert f"Estimated time: {said}, with" in table


@pytest.mark.usefixtures("measured")
def test_the_plan_of_one_cell_counts_this_cell(study: Study, tmp_path: Path) -> None:
    """Snakemake 2.0 + (8 + 2) x 0.002 s, the digits 1.35 s, a subset 0.20 s, the cell 2.631 s, the end 0.7 s: 6.9 s."""
    target = "results/synthetic/cells/n256/non/seed0/metrics.json"
    table = full_plan(study, tmp_path, Capacity(2), (), [target])
    assert "To train: 1 of 8 cells, 100 iterations" in table
    assert "Estimated time: about 7 s (by a measurement on this machine), with 1 cell at once." in table


def test_a_spoilt_measurement_is_not_kept(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Probe("cpu", seconds_a_step=0.01, flops_a_second=1.5e10)
    monkeypatch.setattr(probe_module, "measure", lambda cell, images: Measurement(step, SLOW, share=0.5))
    table = full_plan(study, tmp_path, Capacity(2), ())
    assert "this measurement is not kept" in table
    assert "by assumed speeds" in brief_plan(study, tmp_path, Capacity(2))
