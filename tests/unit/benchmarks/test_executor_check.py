"""Protects the first question to a GPU: whether all executors compute the same, and which array differs first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import executor_check
from benchmarks.executor_check import Measured, check_executors, describe_difference, measure_executor, profile_steps
from benchmarks.time_limit import TimeLimit
from benchmarks.worker_pool import WorkerError
from benchmarks.workload import DEMO

WEIGHTS = {"stem.weight": np.ones(3, np.float32), "momentum of stem.weight": np.zeros(3, np.float32)}


def moved(name: str, amount: float) -> dict[str, Any]:
    return {**WEIGHTS, name: WEIGHTS[name] + np.float32(amount)}


def test_the_first_array_that_differs_is_named_and_by_how_much() -> None:
    assert describe_difference(WEIGHTS, dict(WEIGHTS)) == ""
    other = moved("momentum of stem.weight", 0.5)
    words = "1 of 2 arrays differ, first momentum of stem.weight: by up to 0.5, of values up to 0"
    assert describe_difference(WEIGHTS, other) == words


def run_with(result: Callable[[str, str, int], Measured]) -> Callable[..., Measured]:
    calls: list[tuple[str, str]] = []

    def run_alone(
        work: Any, workload: Any, device: str, precision: str, executor: str, steps: int, **_: Any
    ) -> Measured:
        calls.append((precision, executor))
        return result(precision, executor, calls.count((precision, executor)))

    return run_alone


def measured(arrays: dict[str, Any]) -> Measured:
    return Measured(arrays, step=0.002, host=0.001, begin=3.0, peak=10**9, check="")


@pytest.mark.parametrize(
    ("differs", "code"),
    [(("bf16", "graph"), 1), (("bf16", "graph-compiled"), 0), (("fp32", "automatic"), 1), (None, 0)],
)
def test_other_numbers_are_a_failure_but_for_compiled_steps(
    differs: tuple[str, str] | None, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def result(precision: str, executor: str, number: int) -> Measured:
        return measured(moved("stem.weight", 0.25) if (precision, executor) == differs else dict(WEIGHTS))

    monkeypatch.setattr(executor_check, "run_alone", run_with(result))
    monkeypatch.setattr(executor_check, "_profile", lambda *_: None)
    assert check_executors(DEMO, "cuda", tmp_path, TimeLimit()) == code
    lines = json.loads((tmp_path / "executors.json").read_text(encoding="utf-8"))
    assert [(line["precision"], line["executor"]) for line in lines] == list(executor_check.CONFIGURATIONS)
    expected = "1 of 2 arrays differ, first stem.weight: by up to 0.25, of values up to 1"
    for line in lines:
        found = line.get("compared_with_eager")
        assert found == expected if (line["precision"], line["executor"]) == differs else not found


def test_eager_steps_that_do_not_repeat_themselves_are_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Graphs cannot be blamed for what eager steps do not keep either."""

    def result(precision: str, executor: str, number: int) -> Measured:
        return measured(moved("stem.weight", 0.25 * (executor == "eager" and number == 2)))

    monkeypatch.setattr(executor_check, "run_alone", run_with(result))
    monkeypatch.setattr(executor_check, "_profile", lambda *_: None)
    assert check_executors(DEMO, "cuda", tmp_path, TimeLimit()) == 1


def test_an_executor_that_fails_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def result(precision: str, executor: str, number: int) -> Measured:
        if executor == "graph":
            raise WorkerError("RuntimeError: the cause; then RuntimeError: capture failed")
        return measured(WEIGHTS)

    monkeypatch.setattr(executor_check, "run_alone", run_with(result))
    monkeypatch.setattr(executor_check, "_profile", lambda *_: None)
    assert check_executors(DEMO, "cuda", tmp_path, TimeLimit()) == 1
    printed = capsys.readouterr().out
    assert "bf16, graph: failed: RuntimeError: the cause; then RuntimeError: capture failed\n" in printed
    assert "fp32, automatic: 2.000 ms a step, the host 1.000; equal to eager steps, bit for bit\n" in printed


def test_a_training_is_measured_and_its_arrays_are_all_that_decides_it() -> None:
    one, other = (measure_executor(DEMO, "cpu", "fp32", "eager", 1) for _ in range(2))
    assert describe_difference(one.arrays, other.arrays) == ""
    assert one.step > 0
    names = set(one.arrays)
    assert {"classifier.weight", "momentum of classifier.weight"} < names
    assert any(name.endswith("running_mean") for name in names)


def test_a_profile_lists_the_kernels_by_time() -> None:
    table = profile_steps(DEMO, "cpu", "fp32", "eager")
    assert "convolution_backward" in table
