"""smallmix: how much does mixup help when you have little training data?

    fetch_dataset -> extract_subset -> train_cell (size x method x seed) -> collect_metrics -> plot_figures -> render_report

`snakemake --cores all` runs the article's study (config.yaml); `--configfile workflow/studies/NAME.yaml` another one.
Targets: plan, subsets, cells, figures, report, or any single file, such as
results/article/cells/n500/label-mix/seed0/metrics.json
"""


report: "workflow/report/workflow.rst"


configfile: "config.yaml"


include: "workflow/rules/study.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/subsets.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/collection.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


# Every cell is named here, not only the report: below an up-to-date report a deleted or failed cell would go unseen.
rule all:
    input:
        CELL_METRICS,
        REPORT,
    localrule: True
    message:
        "the report: {REPORT}"


rule subsets:
    input:
        SUBSETS,
        SUBSET_TABLE,
    localrule: True


rule cells:
    input:
        CELL_METRICS,
    localrule: True


rule figures:
    input:
        FIGURES,
    localrule: True


rule report:
    input:
        REPORT,
    localrule: True
