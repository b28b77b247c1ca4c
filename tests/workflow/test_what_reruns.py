"""What a change reruns, and what it does not: the promise that lets people change one number and wait for one cell."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from smallmix.figures.names import FIGURE_NAMES
from smallmix.snakemake_files.records import RECORDS, record_name
from smallmix.study.layout import CLASS_TABLES

from tests.workflow.study_run import StudyRun

AFTER_TRAINING = {
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


def test_a_finished_study_is_left_alone(finished_study: StudyRun) -> None:
    assert finished_study.planned() == {}


def test_records_name_the_inputs_of_earlier_versions(finished_study: StudyRun) -> None:
    """Snakemake runs a job again whose inputs are others. A new one here would run every trained cell again."""
    description, subset = "resources/digits/dataset.json", "results/tiny/subsets/n20.csv"
    for made, inputs in {
        "results/tiny/cells/n20/non/seed0/metrics.json": [description, subset],
        subset: [description],
    }.items():
        record = json.loads((finished_study.folder / RECORDS / record_name(Path(made))).read_text(encoding="utf-8"))
        assert record["input"] == inputs


def test_one_sizes_budget_retrains_its_cells_only(study: StudyRun) -> None:
    study.edit("tiny.yaml", "\nbudgets: {", "\nbudgets: {20: {iterations: 5}, ")
    planned = study.planned()
    assert planned["train_cell"] == 3
    assert "extract_subset" not in planned
    assert "fetch_dataset" not in planned


def test_one_methods_beta_retrains_its_cells_only(study: StudyRun) -> None:
    study.edit("config.yaml", "beta: [2, 1]", "beta: [3, 1]")
    assert study.planned()["train_cell"] == 2


def test_an_added_seed_trains_only_its_cells(study: StudyRun) -> None:
    study.edit("tiny.yaml", "seeds: [0]", "seeds: [0, 1]")
    planned = study.planned()
    assert planned["train_cell"] == 6
    assert "extract_subset" not in planned


def test_an_added_size_trains_only_its_cells(study: StudyRun) -> None:
    study.edit("tiny.yaml", "sizes: [20, 40]", "sizes: [20, 40, 60]")
    planned = study.planned()
    assert planned["train_cell"] == 3
    assert planned["extract_subset"] == 1


def test_an_added_method_trains_only_its_cells(study: StudyRun) -> None:
    study.edit("tiny.yaml", "seeds: [0]", "seeds: [0]\nmethods: {soft-mix: {mix: images-and-labels, beta: [0.2, 0.2]}}")
    assert study.planned()["train_cell"] == 2


def test_a_removed_size_only_recollects(study: StudyRun) -> None:
    study.edit("tiny.yaml", "sizes: [20, 40]", "sizes: [40]")
    assert study.planned() == AFTER_TRAINING


def test_a_removed_method_only_recollects(study: StudyRun) -> None:
    study.edit("tiny.yaml", "seeds: [0]", "seeds: [0]\nmethods: {data-mix: ~}")
    assert study.planned() == AFTER_TRAINING


def test_a_deleted_cell_is_noticed_below_an_up_to_date_report(study: StudyRun) -> None:
    (study.cell("n20/non/seed0") / "metrics.json").unlink()
    assert study.planned()["train_cell"] == 1


def test_training_code_retrains_all_cells(study: StudyRun) -> None:
    study.edit("workflow/smallmix/science/evaluation.py", "BATCH_SIZE = 500", "BATCH_SIZE = 501")
    planned = study.planned()
    assert planned["train_cell"] == 6
    assert "extract_subset" not in planned


def test_figure_code_redraws_figures(study: StudyRun) -> None:
    file = study.folder / "workflow/smallmix/figures/seeds_by_size.py"
    file.write_text(file.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert set(study.planned()) == {"plot_figures", "render_report"}


@pytest.mark.parametrize("template", ["report.html.j2", "report.css"])
def test_the_reports_template_rerenders_the_report_only(study: StudyRun, template: str) -> None:
    file = study.folder / "workflow/report" / template
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert study.planned() == {"render_report": 1}


def test_statistics_code_leaves_cells_alone(study: StudyRun) -> None:
    file = study.folder / "workflow/smallmix/statistics/intervals.py"
    file.write_text(file.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    planned = study.planned()
    assert "train_cell" not in planned
    assert planned["summarize_cells"] == planned["compare_methods"] == 1


def test_a_second_studys_results_are_judged_again_and_nothing_else(study: StudyRun) -> None:
    study.edit("tiny.yaml", "published: ~", "compare_with: [other]")
    study.run()
    shutil.copytree(study.folder / "results" / "tiny", study.folder / "results" / "other")
    assert study.planned() == {"judge_claims": 1, "render_report": 1}
    study.run()
    assert study.planned() == {}
    metrics = study.folder / "results" / "other" / "metrics.csv"
    metrics.write_text(metrics.read_text(encoding="utf-8").replace("tiny", "other"), encoding="utf-8")
    assert study.planned() == {"judge_claims": 1, "render_report": 1}


def test_prose_reruns_nothing(study: StudyRun) -> None:
    for path, addition in (
        ("workflow/smallmix/science/evaluation.py", "\n# A remark.\n"),
        ("workflow/smallmix/figures/seeds_by_size.py", "\n\n# Another.\n"),
        ("config.yaml", "\n# And one more.\n"),
        ("tiny.yaml", "# The last.\n"),
        ("workflow/rules/training.smk", "\n# Not quite.\n"),
    ):
        file = study.folder / path
        file.write_text(file.read_text(encoding="utf-8") + addition, encoding="utf-8")
    study.edit(
        "workflow/smallmix/training/training_loop.py",
        '"""The training loop: ',
        '"""What happens between the first step and the last. The training loop: ',
    )
    study.edit("workflow/smallmix/version.py", 'VERSION = "', 'VERSION = "9.')
    assert study.planned() == {}


def test_messages_storing_and_new_methods_and_networks_rerun_nothing(study: StudyRun) -> None:
    package = "workflow/smallmix"
    study.edit(f"{package}/training/messages.py", "Lower recipe.learning_rate", "Choose a lower recipe.learning_rate")
    study.edit(f"{package}/training/training_loop.py", "saved at iteration", "stopped and saved at iteration")
    study.edit(f"{package}/training/store.py", "STALE_OUTPUT_SECONDS = 3600.0", "STALE_OUTPUT_SECONDS = 7200.0")
    study.edit(f"{package}/training/checkpoint.py", "LONGEST_HEADER = 1000", "LONGEST_HEADER = 2000")
    science = study.folder / package / "science"
    shutil.copy(science / "methods" / "images.py", science / "methods" / "cutmix.py")
    shutil.copy(science / "networks" / "preact_resnet18.py", science / "networks" / "wide_resnet.py")
    assert study.planned() == {}


def test_a_methods_file_retrains_its_cells_alone(study: StudyRun) -> None:
    changed = "0.5 * weights.astype(np.float32)"
    study.edit("workflow/smallmix/science/methods/images.py", "weights.astype(np.float32)", changed)
    assert study.planned()["train_cell"] == 2


def test_other_file_times_rerun_nothing(study: StudyRun) -> None:
    for file in sorted((study.folder / "workflow").rglob("*.py")):
        file.touch()
    (study.folder / "config.yaml").touch()
    assert study.planned() == {}


def test_a_reverted_change_is_found_in_the_store(study: StudyRun) -> None:
    place = "n20/label-mix/seed0"
    before = (study.cell(place) / "history.csv").read_bytes()
    study.edit("tiny.yaml", "\nbudgets: {", "\nbudgets: {20: {iterations: 5}, ")
    study.run("cells")
    assert (study.cell(place) / "history.csv").read_bytes() != before
    study.edit("tiny.yaml", "\nbudgets: {20: {iterations: 5}, ", "\nbudgets: {")
    assert study.planned("cells") == {"resolve_study": 1, "train_cell": 3}
    study.run("cells")
    assert (study.cell(place) / "history.csv").read_bytes() == before
    log = (study.folder / f"logs/tiny/cells/{place}.log").read_text(encoding="utf-8")
    assert "found in the store" in log


def test_results_from_before_cells_were_measured_run_nothing_again(study: StudyRun) -> None:
    """Nor does a lost measurement: it is no result."""
    rules = study.folder / "workflow/rules/training.smk"
    measured = rules.read_text(encoding="utf-8")
    before, after = measured.split("    benchmark:\n")
    rules.write_text(before + after[after.index("    conda:\n") :], encoding="utf-8")
    shutil.rmtree(study.folder / "results/tiny/cells/n20/non")
    measurements = {path: path.read_text(encoding="utf-8") for path in study.folder.glob("logs/tiny/cells/**/*.tsv")}
    assert len(measurements) == 6
    assert all("max_rss" in text for text in measurements.values())
    for path in measurements:
        path.unlink()
    study.run()
    assert not list(study.folder.glob("logs/tiny/cells/**/*.tsv"))
    rules.write_text(measured, encoding="utf-8")
    assert study.planned() == {}


def test_snakemakes_report_has_the_page_every_figure_and_the_tables(study: StudyRun) -> None:
    done = study.snakemake("--report", "archive.zip")
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(study.folder / "archive.zip") as archive:
        page = next(name for name in archive.namelist() if name.count("/") == 1 and name.endswith(".html"))
        held = {name.rpartition("/")[2] for name in archive.namelist()}
        text = archive.read(page).decode()
    tables = ("metrics.csv", "summary.csv", "comparison.csv", "claims.csv", "subset_table.csv", *CLASS_TABLES)
    assert held >= {"report.html", *tables, *(f"{name}.svg" for name in FIGURE_NAMES)}
    for label in ("every run", "means over seeds", "paired differences", "published claims", "classes by size"):
        assert label in text, label
    assert "Means over seeds with their 95" in text


def test_a_single_cell_by_its_path(finished_study: StudyRun, tmp_path: Path) -> None:
    fresh = StudyRun.create(tmp_path / "project")
    target = "results/tiny/cells/n20/non/seed0/metrics.json"
    assert fresh.planned(target) == {"fetch_dataset": 1, "extract_subset": 1, "train_cell": 1}
    fresh.run(target)
    known = finished_study.cell("n20/non/seed0") / "history.csv"
    assert (fresh.cell("n20/non/seed0") / "history.csv").read_bytes() == known.read_bytes()


@pytest.mark.parametrize(
    ("target", "last_rule"),
    [
        ("subsets", "tabulate_subsets"),
        ("cells", "train_cell"),
        ("figures", "plot_figures"),
        ("report", "render_report"),
    ],
)
def test_targets_stop_at_their_own_stage(tmp_path: Path, target: str, last_rule: str) -> None:
    order = ["tabulate_subsets", "train_cell", "plot_figures", "render_report"]
    planned = StudyRun.create(tmp_path / "project").planned(target)
    assert last_rule in planned
    assert not set(order[order.index(last_rule) + 1 :]) & set(planned)


def test_the_plan_shows_what_a_run_would_do(study: StudyRun) -> None:
    (study.cell("n20/non/seed0") / "metrics.json").unlink()
    result = study.snakemake("plan", "--cores", "1")
    assert result.returncode == 0, result.stdout + result.stderr
    plan = (study.folder / "logs/tiny/plan.log").read_text(encoding="utf-8")
    assert "To train: 0 of 6 cells" in plan, plan
    assert "Estimated time" in plan
    assert "Disk" in plan


def test_the_articles_study_plans_its_24_cells(tmp_path: Path) -> None:
    study = StudyRun.create(tmp_path / "project")
    (study.folder / "tiny.yaml").write_text("study: article\n", encoding="utf-8")
    assert study.planned()["train_cell"] == 24


def test_copied_results_of_this_very_study_are_taken_over(study: StudyRun) -> None:
    shutil.rmtree(study.folder / ".snakemake")
    assert study.planned() == {}


def test_copied_results_of_another_configuration_never_pass_for_current(study: StudyRun) -> None:
    place = "n20/label-mix/seed0"
    shutil.rmtree(study.folder / ".snakemake")
    study.edit("tiny.yaml", "\nbudgets: {", "\nbudgets: {20: {iterations: 5}, ")
    refused = study.snakemake("--cores", "1")
    message = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert f"results/tiny/cells/{place}/metrics.json" in message
    assert "n40" not in message
    command = next(line for line in message.splitlines() if " discard " in line)
    subprocess.run(command, shell=True, cwd=study.folder, check=True, capture_output=True)
    assert study.planned()["train_cell"] == 3


def test_copied_results_of_other_code_never_pass_for_current(study: StudyRun) -> None:
    shutil.rmtree(study.folder / ".snakemake")
    study.edit("workflow/smallmix/science/evaluation.py", "BATCH_SIZE = 500", "BATCH_SIZE = 501")
    refused = study.snakemake("--cores", "1")
    assert refused.returncode != 0
    assert "6 results" in refused.stdout + refused.stderr
