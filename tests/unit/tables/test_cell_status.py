"""Protects the verdict on every cell: only results that are what the study wants now, and whole, count as current."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smallmix.tables.cell_status import name_differences

from tests.synthetic_study import Damage, SyntheticStudy, build_synthetic_study
from tests.unit.tables.judged_cells import OTHER, PLACE, collected, record


@pytest.fixture
def made(tmp_path: Path) -> SyntheticStudy:
    return build_synthetic_study(tmp_path, sizes=(100,), seeds=(0, 1), test_images=60)


def test_untouched_cells_are_current(made: SyntheticStudy) -> None:
    found = collected(made)
    assert [one.status for one in found.records] == ["current"] * 6
    assert all(one.reason == "" and one.metrics and one.history_rows for one in found.records)
    assert [one.cell for one in found.records] == list(made.study.cells)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("cell", "recipe.weight_decay is 0.0005, wanted 0.0001"),
        ("code", "the training code changed since"),
        ("data", "the training images or their selection changed since"),
        ("truncated", "metrics.json is cut off or damaged"),
        ("edited", "best_test_accuracy is"),
        ("no-history", "history.csv is missing"),
        ("no-predictions", "predictions.npz is missing"),
    ],
)
def test_damage_makes_that_cell_stale_and_no_other(made: SyntheticStudy, how: Damage, reason: str) -> None:
    made.damage(PLACE, how)
    found = collected(made)
    assert [one.cell.id for one in found.not_current] == [PLACE]
    assert found.not_current[0].status == "stale"
    assert reason in found.not_current[0].reason
    assert found.not_current[0].metrics is None


def test_every_difference_is_named_at_once(made: SyntheticStudy) -> None:
    made.damage(PLACE, "cell")
    made.edit_metrics(PLACE, code_fingerprint="0" * 16, data_fingerprint="0" * 64)
    assert record(made).reason == (
        "recipe.weight_decay is 0.0005, wanted 0.0001; the training code changed since; "
        "the training images or their selection changed since"
    )


def test_a_cell_whose_fingerprint_is_not_its_own_is_stale(made: SyntheticStudy) -> None:
    made.edit_metrics(PLACE, cell_fingerprint="0" * 64)
    assert "cell_fingerprint does not belong" in record(made).reason


def test_another_selection_of_images_makes_all_cells_of_the_size_stale(made: SyntheticStudy) -> None:
    subset = made.layout.subset_of(100, 0)
    subset.write_text(subset.read_text().replace("\n0,", "\n1,", 1))
    assert {one.status for one in collected(made).records} == {"stale"}


def test_other_arrays_make_all_cells_stale(made: SyntheticStudy) -> None:
    path = made.layout.dataset / "dataset.json"
    description = json.loads(path.read_text())
    description["checksums"]["test_images.npy"] = "0" * 64
    path.write_text(json.dumps(description))
    assert {one.reason for one in collected(made).records} == {"the training images or their selection changed since"}


def test_without_the_data_nothing_counts_as_current(made: SyntheticStudy) -> None:
    (made.layout.dataset / "dataset.json").unlink()
    made.remove(OTHER)
    assert record(made).status == "stale"
    assert "cannot be checked" in record(made).reason
    assert "dataset.json" in record(made).reason
    assert record(made, OTHER).status == "missing"


def test_a_failure_is_named_with_its_log(made: SyntheticStudy) -> None:
    made.fail(PLACE, "the loss is not finite")
    found = record(made)
    assert (found.status, found.reason) == ("failed", "the loss is not finite")
    assert found.log_tail[-1] == "stopped: the loss is not finite"


def test_a_failure_of_another_configuration_is_no_failure_of_this_one(made: SyntheticStudy) -> None:
    made.fail(PLACE)
    path = made.folder(PLACE) / "failure.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "cell_fingerprint": "0" * 64}))
    assert record(made).status == "missing"
    assert "another configuration" in record(made).reason


def test_current_metrics_outweigh_an_old_failure_and_stale_ones_do_not(made: SyntheticStudy) -> None:
    failure = {"reason": "no memory", "log_tail": [], "cell_fingerprint": made.study.cell(PLACE).value.fingerprint}
    (made.folder(PLACE) / "failure.json").write_text(json.dumps(failure))
    assert record(made).status == "current"
    made.damage(PLACE, "code")
    assert (record(made).status, record(made).reason) == ("failed", "no memory")


def test_cells_without_a_folder_are_missing(made: SyntheticStudy) -> None:
    made.remove(PLACE)
    assert (record(made).status, record(made).reason) == ("missing", "not trained yet")


@pytest.mark.parametrize(
    "key",
    [
        "final_test_accuracy",
        "best_test_accuracy",
        "last_tenth_test_accuracy",
        "last_tenth_readings",
        "best_iteration",
        "iterations",
        "final_test_loss",
        "final_train_loss",
        "final_clean_train_loss",
        "final_clean_train_accuracy",
        "expected_calibration_error",
        "calibration_gap",
        "brier_score",
        "negative_log_likelihood",
    ],
)
def test_every_edited_number_is_found(made: SyntheticStudy, key: str) -> None:
    value = made.metrics(PLACE)[key]
    made.edit_metrics(PLACE, **{key: value + 1 if isinstance(value, int) else value + 0.03})
    found = record(made)
    assert found.status == "stale"
    assert key in found.reason or "iteration" in found.reason


@pytest.mark.parametrize(("key", "value"), [("largest_early_loss", 0.9), ("largest_early_loss_iteration", 3)])
def test_a_largest_early_loss_that_cannot_be_is_found(made: SyntheticStudy, key: str, value: float) -> None:
    """The first two of twenty iterations are early, and their means stand in the history."""
    made.edit_metrics(PLACE, **{key: value})
    assert f"{key} is {value}" in record(made).reason


def test_results_of_another_version_are_named_as_such_though_their_numbers_have_other_names(
    made: SyntheticStudy,
) -> None:
    path = made.folder(PLACE) / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    for key in ("last_tenth_readings", "largest_early_loss"):
        del metrics[key]
    path.write_text(json.dumps(metrics), encoding="utf-8")
    assert record(made).reason == "metrics.json lacks last_tenth_readings, largest_early_loss"
    path.write_text(json.dumps({**metrics, "code_fingerprint": "0" * 16}), encoding="utf-8")
    assert record(made).reason == "the training code changed since"


def test_an_accuracy_edited_in_both_tables_is_found_by_the_predictions(made: SyntheticStudy) -> None:
    path = made.folder(PLACE) / "history.csv"
    lines = path.read_text().splitlines()
    lines[-1] = lines[-1].rpartition(",")[0] + ",0.99"
    path.write_text("\n".join(lines) + "\n")
    accuracies = [float(line.split(",")[-1]) for line in lines[1:]]
    made.edit_metrics(
        PLACE,
        final_test_accuracy=0.99,
        best_test_accuracy=0.99,
        best_iteration=int(lines[-1].split(",")[0]),
        last_tenth_test_accuracy=float(np.median(accuracies[-2:])),
    )
    assert record(made).status == "stale"
    assert "by predictions.npz" in record(made).reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "line 1: the columns iteration, epoch,"),
        ("a,b\n1,2\n", "line 1: the columns iteration, epoch,"),
        ("x,HEADER\n0,1,1.0,0.1,2,2,0.1,2,0.1\n", "does not begin with the columns"),
        ('HEADER\n"1",1.0,0.1,2,2,0.1,2,0.1\n', "does not hold plain numbers"),
        ("HEADER\n", "has no rows"),
        ("HEADER\n1,1.0,0.1,2,2,0.1,2\n", "line 2: 7 fields instead of 8"),
        ("HEADER\n1,1.0,0.1,2,2,0.1,2,nan\n", "test_accuracy is 'nan'"),
        ("HEADER\n1,1.0,0.1,two,2,0.1,2,0.1\n", "train_loss is 'two'"),
        ("HEADER\n2,1,1,1,1,1,1,1\n2,1,1,1,1,1,1,1\n", "do not ascend"),
    ],
)
def test_a_damaged_history_is_explained(made: SyntheticStudy, content: str, reason: str) -> None:
    path = made.folder(PLACE) / "history.csv"
    path.write_text(content.replace("HEADER", path.read_text().splitlines()[0]))
    assert record(made).status == "stale"
    assert reason in record(made).reason


def test_a_history_that_lost_its_end_is_found(made: SyntheticStudy) -> None:
    path = made.folder(PLACE) / "history.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    assert "the training stops at iteration 19 in history.csv" in record(made).reason


@pytest.mark.parametrize(
    "arrays",
    [
        {"logits": np.zeros((60, 10), np.float16)},
        {"logits": np.zeros((60, 10), np.float16), "labels": np.zeros(59, np.int64)},
        {"logits": np.zeros(60, np.float16), "labels": np.zeros(60, np.int64)},
        {"logits": np.full((60, 10), np.nan, np.float16), "labels": np.zeros(60, np.int64)},
        {"logits": np.zeros((60, 10), np.float16), "labels": np.full(60, 10, np.int64)},
        {"logits": np.array([{}] * 60, dtype=object), "labels": np.zeros(60, np.int64)},
    ],
)
def test_predictions_of_a_wrong_shape_are_explained(made: SyntheticStudy, arrays: dict[str, np.ndarray]) -> None:
    np.savez(made.folder(PLACE) / "predictions.npz", **arrays)  # type: ignore[arg-type]
    assert record(made).status == "stale"
    assert "predictions.npz" in record(made).reason


@pytest.mark.parametrize("name", ["metrics.json", "history.csv", "predictions.npz", "failure.json"])
def test_a_folder_in_a_files_place_is_no_traceback(made: SyntheticStudy, name: str) -> None:
    path = made.folder(PLACE) / name
    path.unlink(missing_ok=True)
    path.mkdir()
    assert record(made).status == ("current" if name == "failure.json" else "stale")


def same_numbers(part: bytes, whole: bytes) -> bool:
    if whole.startswith(b"PK"):  # an archive whose last field (the length of a comment) was hit still holds its arrays
        with np.load(io.BytesIO(part)) as ours_now, np.load(io.BytesIO(whole)) as theirs_now:
            return all(np.array_equal(ours_now[name], theirs_now[name]) for name in ("logits", "labels"))
    ours, theirs = (content.decode().strip().rpartition(",") for content in (part, whole))
    return ours[0] == theirs[0] and (ours[2] == theirs[2] or abs(float(ours[2]) - float(theirs[2])) < 1e-5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["metrics.json", "history.csv", "predictions.npz"]),
    cut=st.floats(0, 1, exclude_max=True),
    tail=st.binary(max_size=20),
)
def test_files_cut_anywhere_never_raise_and_never_count(
    made: SyntheticStudy, name: str, cut: float, tail: bytes
) -> None:
    path = made.folder(PLACE) / name
    whole = path.read_bytes()
    part = whole[: int(cut * len(whole))] + tail
    try:
        path.write_bytes(part)
        found = record(made)
        # A missing last line feed is no loss, nor the ninth digit of the last number, nor bytes after an archive's end.
        assert found.status == "stale" or part.startswith(whole) or same_numbers(part, whole)
    finally:
        path.write_bytes(whole)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(["cell", "environment", "timing", "final_test_accuracy", "cell_fingerprint"]), data=st.data()
)
def test_any_json_under_a_key_never_raises(made: SyntheticStudy, key: str, data: st.DataObject) -> None:
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    value = data.draw(
        st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
    )
    path = made.folder(PLACE) / "metrics.json"
    whole = path.read_bytes()
    try:
        made.edit_metrics(PLACE, **{key: value})
        assert record(made).status in ("current", "stale")
    finally:
        path.write_bytes(whole)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_unreadable_files_are_explained(made: SyntheticStudy) -> None:
    (made.folder(PLACE) / "metrics.json").chmod(0)
    assert "cannot be read" in record(made).reason


def test_differences_are_named_by_key_with_both_values() -> None:
    stored = {"method": {"mix": "images", "beta": [2.0, 1.0]}, "seed": 1, "old": 1}
    wanted = {"method": {"mix": "none", "beta": None}, "seed": 1, "flip": True}
    assert name_differences(stored, wanted) == [
        "flip is absent, wanted true",
        "method.beta is [2.0, 1.0], wanted absent",
        'method.mix is "images", wanted "none"',
        "old is 1, wanted absent",
    ]
    assert name_differences({"flip": 1}, {"flip": True}) == ["flip is 1, wanted true"]
    assert name_differences({"a": 1}, {"a": 1.0}) == []


def test_the_summary_counts_every_status(made: SyntheticStudy) -> None:
    made.remove("n100/non/seed1")
    made.fail(OTHER)
    made.damage(PLACE, "code")
    assert collected(made).summary() == "synthetic: 6 cells: 3 current, 1 outdated, 1 failed, 1 waiting"
