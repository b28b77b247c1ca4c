"""Made-up studies with all their tables, as the steps before the figures would leave them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from smallmix.statistics.claims import judge_claims, write_claims
from smallmix.statistics.class_summary import write_all_class_tables
from smallmix.statistics.comparison import compare_methods, write_comparison
from smallmix.statistics.own_metrics import compute_metrics, find_metrics, write_metric_tables
from smallmix.statistics.study_results import load_study_results, read_results
from smallmix.statistics.subset_scatter import separate_scatter_of, write_subset_scatter
from smallmix.statistics.summary import summarize, write_summary
from smallmix.study.published import load_published
from smallmix.tables.collect import collect
from smallmix.tables.collected_tables import write_provenance, write_study_tables
from smallmix.tables.study_tables import StudyTables, load_tables
from smallmix.tables.subset_table import tabulate_subsets, write_subset_table

from tests.synthetic_study import CLASSES, SyntheticStudy, build_synthetic_study

PUBLISHED = "workflow/published/article.yaml"
PROJECT = Path(__file__).resolve().parents[3]


def build_study_with_tables(root: Path, *, images: bool = False, **choices: Any) -> SyntheticStudy:
    """A synthetic study below `root` (see `build_synthetic_study` for `choices`) with all tables of its results.

    With `images`, the data set also has arrays, of noise.
    """
    (root / PUBLISHED).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROJECT / PUBLISHED, root / PUBLISHED)
    made = build_synthetic_study(root, **choices)
    write_all_tables(made)
    if images:
        write_noise_images(made)
    return made


def write_all_tables(made: SyntheticStudy) -> None:
    """Collect, tabulate, summarize, compare and judge."""
    folder, study = made.layout.results, made.study
    collection = collect(study, made.layout, made.code_fingerprint)
    write_study_tables(collection, folder)
    write_provenance(collection, folder / "provenance.json")
    write_subset_table(tabulate_subsets(made.layout), folder / "subset_table.csv")
    write_summary(summarize(study, read_results(folder / "metrics.csv")), folder / "summary.csv")
    write_comparison(compare_methods(study, read_results(folder / "metrics.csv")), folder / "comparison.csv")
    write_subset_scatter(separate_scatter_of(made.layout, folder), folder / "subset_scatter.csv")
    current = [record.cell for record in collection.current]
    write_all_class_tables(made.layout, current, CLASSES, folder)
    write_metric_tables(study, compute_metrics(made.layout, current, find_metrics(study)), folder)
    named = study.configuration["published"]
    evidence = load_study_results(study, made.root)
    write_claims(judge_claims(load_published(made.root / named), evidence) if named else [], folder / "claims.csv")


def write_noise_images(made: SyntheticStudy) -> None:
    """Arrays of noise in place of the data set's images; labels go round."""
    count = max(made.study.sizes)
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    np.save(made.layout.dataset / "train_images.npy", images)
    np.save(made.layout.dataset / "train_labels.npy", np.arange(count, dtype=np.int64) % 10)


def tables_of(made: SyntheticStudy) -> StudyTables:
    """The study's tables, read."""
    return load_tables(made.study, made.root)


def mean_best_percent(tables: StudyTables, size: int, method: str) -> float:
    """Return the mean best test accuracy of one size and method in percent, from metrics.csv."""
    runs = tables.metrics[(tables.metrics["size"] == size) & (tables.metrics["method"] == method)]
    return 100 * float(runs["best_test_accuracy"].mean())
