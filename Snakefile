"""smallmix: how much does mixup help when you have little training data?

    fetch_dataset -> extract_subset -> train_cell (size x method x seed) -> collect_metrics
        -> summarize_cells, compare_methods, judge_claims, tabulate_classes, compute_metrics
        -> plot_figures -> render_report

`snakemake --cores all` runs the article's study (config.yaml); `--configfile workflow/studies/NAME.yaml` another one.
Targets: plan, subsets, cells, figures, report, all, or any single file, such as
results/article/cells/n500/label-mix/seed0/metrics.json
"""

import os

from snakemake.utils import min_version

min_version("9.27.1")  # the pinned one; locks and records are read as it keeps them


report: "workflow/report/workflow.rst"


# Of the folder where Snakemake runs; where there is none, the one beside this file.
BASE_CONFIGURATION = (
    "config.yaml"
    if os.path.exists("config.yaml")
    else workflow.current_basedir.join("config.yaml").get_path_or_uri(secret_free=False)
)


configfile: BASE_CONFIGURATION


include: "workflow/rules/study.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/subsets.smk"
include: "workflow/rules/own_code.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/collection.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


# Every file that a study promises: of one that only an up-to-date file was made from, Snakemake does not miss the loss.
rule all:
    """Every file that the study promises; the report stands last."""
    default_target: True
    input:
        STUDY_FILE,
        SUBSETS,
        VALIDATION,
        SUBSET_TABLE,
        TRIED,
        CELL_OUTPUTS,
        KEPT_NETWORKS,
        TABLES,
        FIGURES,
        report=REPORT,
    localrule: True
    message:
        "the report: {input.report}"


rule subsets:
    """Which training images each size sees, their classes counted, and the validation images, if any."""
    input:
        SUBSETS,
        VALIDATION,
        SUBSET_TABLE,
    localrule: True


rule cells:
    """Every training of the study, without tables, figures and report."""
    input:
        STUDY_FILE,  # by which the store knows whose trainings these are
        CELL_OUTPUTS,
        KEPT_NETWORKS,
    localrule: True


rule figures:
    """Every figure, and what it takes: the trainings and their tables."""
    input:
        FIGURES,
    localrule: True


rule report:
    """The page with the answer, its figures and its tables."""
    input:
        SUBSET_TABLE,
        TABLES,
        FIGURES,
        REPORT,
    localrule: True
