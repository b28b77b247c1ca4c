"""Protects what is known of a machine's speed: kept for it alone, corrected by finished cells, checked when read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from smallmix.planning import pace as pace_module
from smallmix.planning.cost import CellWork, ImagesInNumbers
from smallmix.planning.pace import (
    ON_A_CORE,
    FinishedCell,
    Pace,
    StudyPace,
    assumed_pace,
    contention,
    keep_pace,
    known_pace,
    pace_file,
    slowness_of_python,
)
from smallmix.training import processor
from smallmix.training.processor import describe_processor

from tests.tiny_cell import tiny_cell

IMAGES = ImagesInNumbers(side=8, channels=1, classes=10, train_count=100, test_count=50)
FOUND = Pace(start_seconds=3.0, layer_seconds=1e-3, training=2e10, evaluation=1e10, basis="measured")


def test_a_measurement_holds_for_its_network_and_device_alone() -> None:
    cell = tiny_cell()
    assert known_pace(cell, IMAGES, on_gpu=False) == ON_A_CORE
    keep_pace(cell, IMAGES, FOUND, on_gpu=False)
    assert known_pace(cell, IMAGES, on_gpu=False) == FOUND
    assert known_pace(tiny_cell("images", size=40), IMAGES, on_gpu=False) == FOUND
    assert known_pace(cell, IMAGES, on_gpu=True).basis == "assumed"
    for other in (tiny_cell(precision="bf16"), tiny_cell(batch_size=4)):
        pace = known_pace(other, IMAGES, on_gpu=False)
        assert (pace.basis, pace.start_seconds) == ("assumed", 3.0)  # a start is that of any network
    assert known_pace(cell, dataclasses.replace(IMAGES, side=32), on_gpu=False).basis == "assumed"
    assert slowness_of_python() == pytest.approx(2.0)


def test_measurements_of_two_networks_stand_side_by_side() -> None:
    wide = tiny_cell()
    wide = dataclasses.replace(wide, model=dataclasses.replace(wide.model, width=64))
    slower = dataclasses.replace(FOUND, layer_seconds=2e-3)
    keep_pace(tiny_cell(), IMAGES, FOUND, on_gpu=False)
    keep_pace(wide, IMAGES, slower, on_gpu=False)
    assert known_pace(tiny_cell(), IMAGES, on_gpu=False) == FOUND
    assert known_pace(wide, IMAGES, on_gpu=False) == slower


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"format": 1}', "[" * 100_000])
def test_a_damaged_file_is_passed_over(text: str) -> None:
    keep_pace(tiny_cell(), IMAGES, FOUND, on_gpu=False)
    pace_file().write_text(text, encoding="utf-8")
    assert known_pace(tiny_cell(), IMAGES, on_gpu=False) == ON_A_CORE
    keep_pace(tiny_cell(), IMAGES, FOUND, on_gpu=False)
    assert known_pace(tiny_cell(), IMAGES, on_gpu=False) == FOUND


@pytest.mark.parametrize("name", ["layer_seconds", "training", "evaluation"])
@pytest.mark.parametrize("value", ["soon", None, True, 0, -1, float("nan"), float("inf"), 10**400, [1]])
def test_a_damaged_number_is_passed_over(name: str, value: Any) -> None:
    keep_pace(tiny_cell(), IMAGES, FOUND, on_gpu=False)
    kept = json.loads(pace_file().read_text(encoding="utf-8"))
    (network,) = kept["networks"].values()
    network[name] = value
    pace_file().write_text(json.dumps(kept), encoding="utf-8")
    assert known_pace(tiny_cell(), IMAGES, on_gpu=False).basis == "assumed"


@pytest.mark.parametrize("key", ["host", "processor", "cores", "torch"])
def test_another_machines_file_is_passed_over(key: str) -> None:
    keep_pace(tiny_cell(), IMAGES, FOUND, on_gpu=False)
    kept = json.loads(pace_file().read_text(encoding="utf-8"))
    kept["machine"][key] = "another"
    pace_file().write_text(json.dumps(kept), encoding="utf-8")
    assert known_pace(tiny_cell(), IMAGES, on_gpu=False) == ON_A_CORE


def test_another_version_of_torch_has_a_file_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_pace(tiny_cell(), IMAGES, FOUND, on_gpu=False)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99")
    assert known_pace(tiny_cell(), IMAGES, on_gpu=False) == ON_A_CORE


def test_where_nothing_can_be_kept_nothing_breaks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    keep_pace(tiny_cell(), IMAGES, FOUND, on_gpu=False)
    assert known_pace(tiny_cell(), IMAGES, on_gpu=False) == ON_A_CORE

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_CACHE_HOME", "relative, so not to be used")
    monkeypatch.setattr(Path, "home", no_home)
    keep_pace(tiny_cell(), IMAGES, FOUND, on_gpu=False)
    assert known_pace(tiny_cell(), IMAGES, on_gpu=False) == ON_A_CORE


@pytest.mark.parametrize(
    ("at_once", "threads", "cores", "factor"),
    [
        (1, 1, 1, 1.0),
        (1, 2, 2, 1.0),
        (2, 1, 2, 1.05),
        (2, 1, 4, 1 + 0.05 / 3),
        (4, 1, 4, 1.05),
        (2, 2, 4, 1.05),
        (8, 1, 4, 1.05),
    ],
)
def test_trainings_side_by_side_slow_each_other_down(at_once: int, threads: int, cores: int, factor: float) -> None:
    assert contention(at_once, threads, cores) == pytest.approx(factor)


def metrics_of(training: object, evaluation: object, **environment: str) -> dict[str, Any]:
    made_on = {"device": "cpu", "processor": describe_processor(), **environment}
    return {"timing": {"training_seconds": training, "evaluation_seconds": evaluation}, "environment": made_on}


def test_finished_cells_correct_the_pace_of_their_size_first() -> None:
    """By the pace, work takes 2 s of steps and 1 s of evaluations, and a start takes 3 s.

    Cells of 20 images took 6 + 1 and 10 + 3 s: four times and twice as long. One of 40 images took 1 + 1 s. Together
    they took 17 s of 6, and 5 s of 3.
    """
    work = CellWork(layer_steps=1000, training_flops=2e10, layer_evaluations=0, evaluation_flops=1e10)
    finished = (
        FinishedCell(20, work, 6.0, 1.0),
        FinishedCell(20, work, 10.0, 3.0),
        FinishedCell(40, work, 1.0, 1.0),
    )
    pace = StudyPace(FOUND, finished, slowdown=1.1)
    assert StudyPace(FOUND, (), slowdown=1.1).cell_seconds(20, work) == pytest.approx(1.1 * (3 + 2 + 1))
    assert pace.basis == "finished"
    assert pace.cell_seconds(20, work) == pytest.approx(3.3 + 8 + 2)
    assert pace.cell_seconds(40, work) == pytest.approx(3.3 + 1 + 1)
    assert pace.cell_seconds(80, work) == pytest.approx(3.3 + 2 * 17 / 6 + 5 / 3)
    half = CellWork(500, 1e10, 0, 5e9)
    assert pace.cell_seconds(20, half) == pytest.approx(3.3 + 4 + 1)


def test_a_finished_cell_of_this_machine_counts() -> None:
    cell = tiny_cell()
    found = FinishedCell.of(cell, IMAGES, metrics_of(4.0, 0.5), "cpu")
    assert found == FinishedCell(20, CellWork.of(cell, IMAGES), 4.0, 0.5)


@pytest.mark.parametrize(
    ("metrics", "device"),
    [
        (metrics_of(4.0, 0.5, processor="another"), "cpu"),
        (metrics_of(4.0, 0.5, device="NVIDIA H100"), "cpu"),
        (metrics_of(4.0, 0.5), "gpu"),
        (metrics_of("4", 0.5), "cpu"),
        (metrics_of(4.0, None), "cpu"),
        (metrics_of(float("nan"), 0.5), "cpu"),
        (metrics_of(-4.0, 0.5), "cpu"),
        ({"timing": 3, "environment": []}, None),
        ({}, "cpu"),
    ],
)
def test_other_records_do_not_count(metrics: dict[str, Any], device: str | None) -> None:
    assert FinishedCell.of(tiny_cell(), IMAGES, metrics, device) is None


def test_on_a_cluster_any_node_counts() -> None:
    metrics = metrics_of(4.0, 0.5, processor="another", device="NVIDIA H100")
    assert FinishedCell.of(tiny_cell(), IMAGES, metrics, None) is not None


def test_the_assumption_follows_threads_and_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "bf16_instructions", lambda: "amx")
    assumed = known_pace(tiny_cell(cpu_threads=4, precision="bf16"), IMAGES, on_gpu=False)
    assert assumed.training == pytest.approx(8 * ON_A_CORE.training)
    assert assumed.layer_seconds == ON_A_CORE.layer_seconds


@pytest.mark.parametrize(
    ("flags", "instructions", "gain"),
    [
        ("fpu avx512f avx512_bf16 amx_bf16", "amx", 2.0),
        ("fpu avx512f avx512_bf16", "avx512-bf16", 1.4),
        ("fpu avx2 avx512f avx512_vnni", "avx512", 0.3),
        ("fpu avx avx2 fma", "avx2", 0.07),
        ("fp asimd bf16", "unknown", 0.3),
    ],
)
def test_bf16_is_assumed_by_the_instructions_of_the_processor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: str, instructions: str, gain: float
) -> None:
    """An AMD EPYC with AVX-512 BF16 was taken for one without, and one with AVX2 alone for four times too fast."""
    (tmp_path / "cpuinfo").write_text(f"model name : a processor\nflags : {flags}\n", encoding="utf-8")
    monkeypatch.setattr(processor, "CPU_INFORMATION", tmp_path / "cpuinfo")
    assert processor.bf16_instructions() == instructions
    assumed = assumed_pace(tiny_cell(precision="bf16"), on_gpu=False)
    assert assumed.training == pytest.approx(gain * ON_A_CORE.training)
