"""Without a shared file system: a storage plugin of Snakemake keeps the files and brings each job what it declares."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.datasets.class_folders import noise, one_folder
from tests.workflow.own_code_study import write_study
from tests.workflow.study_run import StudyRun

pytest.importorskip("snakemake_storage_plugin_fs")
OWN_FOLDER = """\
study: tiny
dataset: {name: image-folder, image-folder: {folder: data/birds, identifier: mine, image_size: 8}}
subsets: {sizes: [3]}
seeds: [0]
model: {width: 4}
recipe: {batch_size: 4, augmentation: {crop_padding: 1, flip: false}}
budgets: {default: {iterations: 4}, 500: ~, 250: ~, 100: ~}
published: ~
"""
JUDGED_AGAIN = {
    "resolve_study": 1,
    "tabulate_subsets": 1,
    "collect_metrics": 1,
    "summarize_cells": 1,
    "compare_methods": 1,
    "tabulate_classes": 1,
    "compute_metrics": 1,
    "judge_claims": 1,
    "plot_figures": 1,
    "render_report": 1,
}


@pytest.fixture
def study(tmp_path: Path) -> StudyRun:
    """Return the tiny study, with nothing done yet."""
    return StudyRun.create(tmp_path / "project")


@pytest.mark.skipif(shutil.which("rsync") is None, reason="the storage plugin fs calls rsync, which is not installed")
def test_a_study_runs_to_its_report_in_another_folder(
    study: StudyRun, finished_study: StudyRun, tmp_path: Path
) -> None:
    storage = ("--default-storage-provider", "fs", "--default-storage-prefix", str(tmp_path / "storage"))
    study.run(*storage)

    assert not (study.folder / "results" / "tiny").exists()
    for table in ("metrics.csv", "history.csv"):
        plain = finished_study.folder / "results/tiny" / table
        assert (tmp_path / "storage/results/tiny" / table).read_bytes() == plain.read_bytes()
    assert (tmp_path / "storage/reports/tiny/report.html").stat().st_size > 10_000
    assert study.planned(*storage) == {}


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """Return what the environment must say of a local S3 server."""
    pytest.importorskip("snakemake_storage_plugin_s3")
    pytest.importorskip("flask")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield {
        "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
        "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "anybody",
        "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "any secret",
        "NO_PROXY": "127.0.0.1",
    }
    server.stop()


def test_a_study_runs_to_its_report_in_s3_and_is_judged_elsewhere(
    study: StudyRun, finished_study: StudyRun, tmp_path: Path, s3: dict[str, str]
) -> None:
    address = s3["SNAKEMAKE_STORAGE_S3_ENDPOINT_URL"]
    check_s3(dataclasses.replace(study, environment=tuple(s3.items())), finished_study, address, tmp_path)


def test_own_code_in_a_storage_is_judged_elsewhere_as_it_is_there(tmp_path: Path, s3: dict[str, str]) -> None:
    """The bucket has a copy of the user's file as it was: an edit in another folder must not pass for it."""
    storage = ("--default-storage-provider", "s3", "--default-storage-prefix", "s3://results-of-a-test/own")
    table = "results/tiny/metrics.csv"
    first, second = (
        dataclasses.replace(write_study(tmp_path / name), environment=tuple(s3.items())) for name in ("one", "two")
    )
    first.run(table, *storage)
    assert first.planned(table, *storage) == {}

    assert second.planned(table, *storage) == {"resolve_study": 1, "collect_metrics": 1}
    second.edit("mine/sides.py", "columns < row", "columns <= row")
    refused = second.snakemake(table, *storage, "--cores", "2")
    message = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "n20/sides/seed0: outdated: the training code changed since" in message
    assert "n20/halves/seed0: " not in message
    again = next(line for line in message.splitlines() if line.strip().startswith("--forcerun results/tiny")).split()
    planned = second.planned(table, *storage, *again)
    assert (planned["check_own_code"], planned["train_cell"]) == (1, 1)
    second.run(table, *storage, *again)


def test_the_division_of_images_stays_in_the_project(tmp_path: Path, s3: dict[str, str]) -> None:
    """It is no output, so that the bucket lacks it. An image that was moved to the other side stays there."""
    study = dataclasses.replace(StudyRun.create(tmp_path / "project"), environment=tuple(s3.items()))
    (study.folder / "tiny.yaml").write_text(OWN_FOLDER, encoding="utf-8")
    images = one_folder(study.folder / "data/birds", 6)
    storage = ("--default-storage-provider", "s3", "--default-storage-prefix", "s3://results-of-a-test/birds")
    study.run("subsets", *storage)
    table = study.folder / "resources/mine/split-seed0-share0.2.csv"
    assert [path.name for path in table.parent.iterdir()] == [table.name]
    text = table.read_text(encoding="utf-8")
    edited = text.replace(",test,cat", ",train,cat")
    assert edited != text
    table.write_text(edited, encoding="utf-8")
    noise(90).save(images / "cat/new.png")
    study.run("subsets", *storage, "--forcerun", "fetch_dataset")
    assert set(edited.splitlines()) < set(table.read_text(encoding="utf-8").splitlines())


def check_s3(study: StudyRun, finished_study: StudyRun, address: str, tmp_path: Path) -> None:
    """Run the study by S3 to its report, then look at its bucket from folders that have no record of it."""
    boto3 = pytest.importorskip("boto3")
    storage = ("--default-storage-provider", "s3", "--default-storage-prefix", "s3://results-of-a-test/first")
    study.run(*storage)

    s3 = boto3.resource(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="anybody",
        aws_secret_access_key="any secret",
    )
    for table in ("metrics.csv", "history.csv"):
        stored = s3.Object("results-of-a-test", f"first/results/tiny/{table}").get()["Body"].read()
        assert stored == (finished_study.folder / "results/tiny" / table).read_bytes()
    assert study.planned(*storage) == {}

    # Another folder knows nothing of the bucket's cells, so it has them judged. It trains none.
    elsewhere = dataclasses.replace(StudyRun.create(tmp_path / "elsewhere"), environment=study.environment)
    assert elsewhere.planned(*storage) == JUDGED_AGAIN
    elsewhere.edit("tiny.yaml", "\nbudgets: {", "\nbudgets: {20: {iterations: 5}, ")
    refused = elsewhere.snakemake(*storage, "--cores", "2")
    message = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert "n20/non/seed0: outdated: budget.amount is 4, wanted 5" in message
    again = next(line for line in message.splitlines() if line.strip().startswith("--forcerun results/tiny")).split()
    assert elsewhere.planned(*storage, *again)["train_cell"] == 3
