"""Protects the benchmark of Snakemake's cost: its made-up files pass for those of a finished study."""

from __future__ import annotations

from pathlib import Path

from smallmix.datasets.description import load_description
from smallmix.datasets.originals import explain_foreign
from smallmix.study.layout import Layout

from benchmarks import snakemake_cost


def test_the_made_up_dataset_passes_for_one_that_smallmix_made(tmp_path: Path) -> None:
    folder = tmp_path / "ours"
    study = snakemake_cost._study_folder(folder, 1)
    snakemake_cost._touch(study, folder)
    dataset = Layout(study, folder).dataset
    assert load_description(dataset).train_count == max(study.sizes)
    explain_foreign(dataset)  # raises where the files are taken for a user's
