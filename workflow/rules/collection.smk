"""Stage 4: tables from cells, and what they say."""


rule collect_metrics:
    """Judge every cell against the study and the code, and gather the current ones into tables."""
    input:
        study=STUDY_FILE,
        dataset=f"{DATASET}/dataset.json",
        subsets=SUBSETS,
        validation=VALIDATION,
        cells=CELL_OUTPUTS,
        own_code=TRIED,
    output:
        metrics=report(
            f"{RESULTS}/metrics.csv",
            category="Tables",
            labels={"table": "every run"},
            caption="../report/metrics.rst",
        ),
        history=f"{RESULTS}/history.csv",
        cells=f"{RESULTS}/cells.csv",
        provenance=f"{RESULTS}/provenance.json",
    log:
        f"{LOGS}/collect_metrics.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        folder=subpath(output.metrics, parent=True),
        # Of files of one name, the last one counts.
        yours=lambda wildcards, resources: list(STUDY.own_code) if JUDGED_AGAIN else [],
        # What decides the content of the tables. How the status of a cell is found (tables/collect.py) is not among it.
        code=fingerprint_code("smallmix.tables.cell_files", "smallmix.tables.collected_tables"),
        shown=lambda wildcards, resources: SHOWN_BELOW,
    shell:
        "{params.smallmix} collect-metrics --study {input.study} --own-code {input.own_code:q} {params.yours:q} "
        "--output {params.folder} "
        "--require-complete 2>&1 | tee {log} | {params.shown}"


rule summarize_cells:
    """Means over seeds with intervals, by size, method and metric: the numbers that figures and report show."""
    input:
        study=STUDY_FILE,
        metrics=f"{RESULTS}/metrics.csv",
    output:
        table=report(
            f"{RESULTS}/summary.csv",
            category="Tables",
            labels={"table": "means over seeds"},
            caption="../report/summary.rst",
        ),
    log:
        f"{LOGS}/summarize_cells.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        code=fingerprint_code("smallmix.statistics.summary"),
    shell:
        "{params.smallmix} summarize-cells --study {input.study} --metrics {input.metrics} --output {output} > {log} 2>&1"


rule compare_methods:
    """Paired differences between methods, by size and over all sizes, with intervals."""
    input:
        study=STUDY_FILE,
        metrics=f"{RESULTS}/metrics.csv",
    output:
        table=report(
            f"{RESULTS}/comparison.csv",
            category="Tables",
            labels={"table": "paired differences"},
            caption="../report/comparison.rst",
        ),
    log:
        f"{LOGS}/compare_methods.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        code=fingerprint_code("smallmix.statistics.comparison"),
        article=ARTICLE_FINGERPRINT,
    shell:
        "{params.smallmix} compare-methods --study {input.study} --metrics {input.metrics} --output {output} > {log} 2>&1"


rule tabulate_classes:
    """How well each class is recognised, what it is taken for, and what a method gains or loses there."""
    input:
        study=STUDY_FILE,
        dataset=f"{DATASET}/dataset.json",
        subsets=SUBSETS,
        cells=f"{RESULTS}/cells.csv",
        predictions=PREDICTIONS,
    output:
        tables=[
            report(
                f"{RESULTS}/{name}",
                category="Tables",
                labels={"table": name.removesuffix(".csv").replace("_", " ")},
                caption=f"../report/{name.removesuffix('.csv')}.rst",
            )
            for name in CLASS_TABLES
        ],
    log:
        f"{LOGS}/tabulate_classes.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        folder=subpath(output[0], parent=True),
        code=fingerprint_code("smallmix.statistics.class_summary"),
    shell:
        "{params.smallmix} tabulate-classes --study {input.study} --cells {input.cells} --output {params.folder} "
        "> {log} 2>&1"


rule compute_metrics:
    """The metrics that the configuration adds, of every cell, with means over seeds. They train nothing."""
    input:
        study=STUDY_FILE,
        cells=f"{RESULTS}/cells.csv",
        predictions=PREDICTIONS,
        # Their content counts, by the parameter `metrics`; their times do not.
        own_code=ancient(local(lambda wildcards: list(STUDY.metric_files))),
        tried=TRIED_METRICS,
    output:
        tables=[
            report(
                f"{RESULTS}/{name}",
                category="Tables",
                labels={"table": name.removesuffix(".csv").replace("_", " ")},
                caption=f"../report/{name.removesuffix('.csv')}.rst",
            )
            for name in METRIC_TABLES
        ],
    log:
        f"{LOGS}/compute_metrics.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        folder=subpath(output[0], parent=True),
        code=fingerprint_code("smallmix.statistics.own_metrics"),
        metrics=METRICS_MEANING,
    shell:
        "{params.smallmix} compute-metrics --study {input.study} --cells {input.cells} --output {params.folder} "
        "--own-code {input.own_code:q} > {log} 2>&1"


# Other studies' results as they lie there: two of the claims and the scatter of the subset take a second study, which has a
# run of its own.
COMPARED_STUDIES = [
    name
    for name in STUDY.compared_studies
    if all(exists(f"{FOLDERS.results}/{name}/{file}") for file in ("study.json", *COLLECTED_TABLES))
]
COMPARED_TABLES = [
    f"{DECLARED.results}/{name}/{table}"
    for name in COMPARED_STUDIES
    for table in (*COLLECTED_TABLES, "subset_table.csv")
    if exists(f"{FOLDERS.results}/{name}/{table}")
]


rule judge_claims:
    """Hold the published numbers and claims against the results, and those of collected studies to compare with.

    The latter also tell the scatter of the subset from that of the training.
    """
    input:
        study=STUDY_FILE,
        dataset=f"{DATASET}/dataset.json",
        # As a function's value: braces in a file's name are no wildcards there.
        published=local(lambda wildcards: PUBLISHED),
        metrics=f"{RESULTS}/metrics.csv",
        history=f"{RESULTS}/history.csv",
        comparison=f"{RESULTS}/comparison.csv",
        subset_table=SUBSET_TABLE,
        subsets=SUBSETS,
        compared=[f"{DECLARED.results}/{name}/study.json" for name in COMPARED_STUDIES],
        compared_tables=COMPARED_TABLES,
    output:
        claims=report(
            f"{RESULTS}/claims.csv",
            category="Tables",
            labels={"table": "published claims"},
            caption="../report/claims.rst",
        ),
        scatter=report(
            f"{RESULTS}/subset_scatter.csv",
            category="Tables",
            labels={"table": "scatter of the subset"},
            caption="../report/subset_scatter.rst",
        ),
    log:
        f"{LOGS}/judge_claims.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        code=fingerprint_code("smallmix.statistics.claims", "smallmix.statistics.subset_scatter"),
        article=ARTICLE_FINGERPRINT,
    shell:
        "{params.smallmix} judge-claims --study {input.study} --published {input.published} "
        "--compare-with {input.compared} --output {output.claims} > {log} 2>&1"
