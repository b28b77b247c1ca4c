"""Protects the tables of a study: columns, order, the digits of the cells' files, and equal bytes for equal cells."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from smallmix.source_commit import describe_source
from smallmix.tables.cell_files import calibration_error_by_chance
from smallmix.tables.collect import collect, collect_into
from smallmix.tables.collected_tables import describe_provenance, write_provenance, write_study_tables
from smallmix.tables.columns import CELLS, HISTORY, METRICS

from tests.synthetic_configuration import build_configuration
from tests.synthetic_study import SyntheticStudy, build_synthetic_study


@pytest.fixture
def made(tmp_path: Path) -> SyntheticStudy:
    return build_synthetic_study(
        tmp_path,
        sizes=(250, 100),
        seeds=(0, 1),
        test_images=60,
        missing=["n250/non/seed0"],
        failed=["n100/non/seed1"],
        stale={"n100/label-mix/seed0": "edited"},
    )


def write(made: SyntheticStudy, folder: Path) -> dict[str, bytes]:
    collection = collect(made.study, made.layout, made.code_fingerprint)
    write_study_tables(collection, folder)
    write_provenance(collection, folder / "provenance.json")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(content.decode().splitlines()))


def test_metrics_hold_the_current_cells_in_the_studys_order(made: SyntheticStudy, tmp_path: Path) -> None:
    content = write(made, tmp_path / "out")["metrics.csv"]
    assert content.splitlines()[0].decode() == (
        "study,dataset,size,method,seed,iterations,final_test_accuracy,best_test_accuracy,last_tenth_test_accuracy,"
        "last_tenth_readings,final_test_loss,best_iteration,final_train_loss,final_clean_train_loss,final_clean_train_accuracy,"
        "expected_calibration_error,calibration_gap,brier_score,negative_log_likelihood,"
        "largest_early_loss,largest_early_loss_iteration,calibration_error_by_chance"
    )
    assert content.splitlines()[0].decode() == ",".join(METRICS.of_study(0).names)
    absent = {"n250/non/seed0", "n100/non/seed1", "n100/label-mix/seed0"}
    expected = [cell.id for cell in made.study.cells if cell.id not in absent]
    assert [f"n{row['size']}/{row['method']}/seed{row['seed']}" for row in rows(content)] == expected
    for row in rows(content):
        place = f"n{row['size']}/{row['method']}/seed{row['seed']}"
        stored = made.metrics(place)
        assert (row["study"], row["dataset"]) == ("synthetic", "cifar10")
        assert all(json.loads(row[key]) == stored[key] for key in METRICS.of_study(0).names[5:-1])
        with np.load(
            made.folder(f"n{row['size']}/{row['method']}/seed{row['seed']}") / "predictions.npz"
        ) as stored_logits:
            logits = stored_logits["logits"]
        by_chance = calibration_error_by_chance(logits)
        assert float(row["calibration_error_by_chance"]) == pytest.approx(by_chance, rel=1e-5)


def test_histories_are_copied_digit_by_digit(made: SyntheticStudy, tmp_path: Path) -> None:
    path = made.folder("n250/non/seed1") / "history.csv"
    own = path.read_text().splitlines()
    own[1] = own[1].replace(",0.1,", ",1.0000000e-01,", 1)  # another spelling of the same number must survive
    path.write_text("\n".join(own) + "\n")
    lines = write(made, tmp_path / "out")["history.csv"].decode().splitlines()
    assert lines[0] == ",".join(HISTORY.of_study(0).names)
    front = "synthetic,250,non,1,"
    assert [line for line in lines if line.startswith(front)] == [front + row for row in own[1:]]
    assert "1.0000000e-01" in lines[1]


def test_histories_with_carriage_returns_give_the_same_table(made: SyntheticStudy, tmp_path: Path) -> None:
    before = write(made, tmp_path / "one")["history.csv"]
    path = made.folder("n250/non/seed1") / "history.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert write(made, tmp_path / "two")["history.csv"] == before


def test_every_cell_has_a_status(made: SyntheticStudy, tmp_path: Path) -> None:
    table = rows(write(made, tmp_path / "out")["cells.csv"])
    assert tuple(table[0]) == CELLS.names == ("size", "method", "seed", "status", "reason")
    assert [f"n{row['size']}/{row['method']}/seed{row['seed']}" for row in table] == [
        cell.id for cell in made.study.cells
    ]
    status = {(row["size"], row["method"], row["seed"]): row["status"] for row in table}
    assert status["250", "non", "0"] == "missing"
    assert status["100", "non", "1"] == "failed"
    assert status["100", "label-mix", "0"] == "stale"
    assert all((row["reason"] == "") == (row["status"] == "current") for row in table)


def test_a_reason_of_many_lines_stays_on_one(made: SyntheticStudy, tmp_path: Path) -> None:
    made.fail("n100/non/seed0", 'out of memory,\n"needs" more')
    content = write(made, tmp_path / "out")["cells.csv"]
    assert len(content.splitlines()) == 1 + len(made.study.cells)
    assert 'out of memory, "needs" more' in [row["reason"] for row in rows(content)]


def test_equal_cells_give_equal_bytes(made: SyntheticStudy, tmp_path: Path) -> None:
    assert write(made, tmp_path / "one") == write(made, tmp_path / "two")


def test_a_study_without_any_result_has_tables_of_headers(tmp_path: Path) -> None:
    made = build_synthetic_study(tmp_path, sizes=(100,), seeds=(0,), missing=[])
    for cell in made.study.cells:
        made.remove(cell.id)
    written = write(made, tmp_path / "out")
    assert [len(written[name].splitlines()) for name in ("metrics.csv", "history.csv", "cells.csv")] == [1, 1, 4]
    assert json.loads(written["provenance.json"])["training_seconds"] == 0


def test_provenance_groups_the_cells_by_environment(made: SyntheticStudy) -> None:
    places = [cell.id for cell in made.study.cells]
    collection = collect(made.study, made.layout, made.code_fingerprint)
    described = describe_provenance(collection)
    assert (described["cells"], described["current_cells"]) == (12, 9)
    assert described["training_seconds"] == 90.0
    assert [len(group["cells"]) for group in described["environments"]] == [9]
    assert described["notes"] == []
    assert [failure["cell"] for failure in described["failures"]] == ["n100/non/seed1"]
    assert described["failures"][0]["log_tail"]

    environment = {**made.metrics(places[1])["environment"], "torch": "2.15.0", "device": "A card"}
    made.edit_metrics(places[1], environment=environment)
    described = describe_provenance(collect(made.study, made.layout, made.code_fingerprint))
    assert described["environments"][0]["cells"] == [places[1]]
    assert len(described["notes"]) == 2
    assert "torch: 2.14.1, 2.15.0" in described["notes"][0]
    assert "device: A card, cpu" in described["notes"][1]


def test_provenance_names_the_code_that_collected_and_the_largest_memory(made: SyntheticStudy, tmp_path: Path) -> None:
    one, other = current(made)[:2]
    for place, peak in ((one, 500_000_000), (other, 700_000_000)):
        made.edit_metrics(place, timing={**made.metrics(place)["timing"], "peak_memory_bytes": peak})
    collect_into(made.layout, tmp_path)
    described = json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))
    assert described["collected_by"] == describe_source()
    described = describe_provenance(collect(made.study, made.layout, made.code_fingerprint))
    assert [group["peak_memory_bytes"] for group in described["environments"]] == [700_000_000]


def test_cells_that_moved_between_machines_are_named(made: SyntheticStudy) -> None:
    place = "n250/non/seed1"
    here = made.metrics(place)["environment"]
    made.edit_metrics(place, earlier_environments=[{**here, "processor": "another processor"}])
    (note,) = describe_provenance(collect(made.study, made.layout, made.code_fingerprint))["notes"]
    assert "continued on another" in note
    assert place in note


def current(made: SyntheticStudy) -> list[str]:
    return [record.cell.id for record in collect(made.study, made.layout, made.code_fingerprint).current]


def test_every_way_of_starting_steps_is_kept_with_its_cells(made: SyntheticStudy) -> None:
    """A resumed cell that fell back in one of its runs is among them. Records of older versions say nothing."""
    one, other, older = current(made)[:3]
    graph = {"executor": "graph", "evaluation": "graph"}
    eager = {"executor": "eager", "evaluation": "eager", "fallback": "captured steps do not work here (…)"}
    made.edit_metrics(one, execution=graph, earlier_executions=[eager])
    made.edit_metrics(other, execution=graph, earlier_executions=[])
    found = describe_provenance(collect(made.study, made.layout, made.code_fingerprint))["executions"]
    assert found == [{"execution": graph, "cells": [one, other]}, {"execution": eager, "cells": [one]}]
    assert not any(older in entry["cells"] for entry in found)


def test_tf32_in_some_cells_is_noted_and_nothing_is_said_where_older_records_are_silent(made: SyntheticStudy) -> None:
    for place, tf32 in zip(current(made), ("none", "convolutions"), strict=False):
        assert describe_provenance(collect(made.study, made.layout, made.code_fingerprint))["notes"] == []
        made.edit_metrics(place, environment={**made.metrics(place)["environment"], "tf32": tf32})
    (note,) = describe_provenance(collect(made.study, made.layout, made.code_fingerprint))["notes"]
    assert "tf32: convolutions, none" in note


def test_resumed_cells_are_counted(made: SyntheticStudy) -> None:
    place = "n250/non/seed1"
    made.edit_metrics(place, timing={**made.metrics(place)["timing"], "runs": 3})
    described = describe_provenance(collect(made.study, made.layout, made.code_fingerprint))
    assert described["environments"][0]["resumed_cells"] == 1


def test_clean_readings_may_be_absent(tmp_path: Path) -> None:
    configuration = build_configuration(sizes=(100,), seeds=(0,))
    configuration["evaluation"]["clean_train_limit"] = 0
    made = build_synthetic_study(tmp_path, configuration=configuration, test_images=60)
    for cell in made.study.cells:
        made.edit_metrics(cell.id, final_clean_train_loss=None, final_clean_train_accuracy=None)
        path = made.folder(cell.id) / "history.csv"
        lines = [line.split(",") for line in path.read_text().splitlines()]
        path.write_text(
            "\n".join([",".join(lines[0]), *(",".join([*r[:4], "", "", *r[6:]]) for r in lines[1:])]) + "\n"
        )
    written = write(made, tmp_path / "out")
    assert len(rows(written["metrics.csv"])) == 3
    assert {row["final_clean_train_loss"] for row in rows(written["metrics.csv"])} == {""}


def test_cells_that_could_not_use_a_counted_card_are_noted(made: SyntheticStudy) -> None:
    """In days of computing the log's first lines are forgotten; the report's notes are not."""
    place = "n250/non/seed1"
    here = made.metrics(place)["environment"]
    made.edit_metrics(place, environment={**here, "card": "counted, but not usable: the driver is too old"})
    (note,) = describe_provenance(collect(made.study, made.layout, made.code_fingerprint))["notes"]
    assert note.startswith("1 cell was trained on the CPU, although a GPU was there")
    assert "the driver is too old" in note
