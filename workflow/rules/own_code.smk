"""Before stage 3: methods, networks and metrics of the user's own are tried. Cells are trained by what was tried."""

OWN_FILES = {Path(file).name: file for file in STUDY.own_code}
COPIES_OF = {cell.id: [f"{RESULTS}/own_code/{Path(file).name}" for file in cell.own_code] for cell in STUDY.cells}
TRIALS = trials_of(STUDY)
TRIED = [f"{RESULTS}/own_code/{name}" for name in OWN_FILES]
# No cell depends on it: metrics train nothing.
TRIED_METRICS = [f"{RESULTS}/own_code/metrics.json"] if STUDY.metric_files else []


rule check_own_code:
    """Try what lies in one file of the user's, and copy it: cells are trained by the copy.

    An edit during the run reaches no training. A run has tried all files as it started, and is quick here.
    """
    input:
        dataset=f"{DATASET}/dataset.json",
        # Its content counts, by `tried`; its times do not.
        file=ancient(local(lambda wildcards: OWN_FILES[wildcards.file])),
    output:
        kept=f"{RESULTS}/own_code/{{file}}",
        record=f"{RESULTS}/own_code/{{file}}.json",
    log:
        f"{LOGS}/own_code/{{file}}.log",
    wildcard_constraints:
        file="|".join(map(re.escape, OWN_FILES)) or "none",
    # Before the subsets, so that cells of all methods start together.
    priority: 2 + len(STUDY.sizes)
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        study=lambda wildcards, resources: STUDY_ARGUMENT,
        dataset=subpath(input.dataset, parent=True),
        tried=lambda wildcards: tried_of(TRIALS, OWN_FILES[wildcards.file]),
    shell:
        "{params.smallmix} check-own-code --only cells --configuration {params.study} --dataset {params.dataset} "
        "--file {wildcards.file:q} --copy {output.kept:q} --record {output.record:q} > {log} 2>&1"


rule check_own_metrics:
    """Try the user's metrics on drawn logits, so that a fault is not seen after the training alone.

    A run has tried them as it started, and is quick here. It stands apart, since metrics have the libraries of tables.
    """
    input:
        # What of it decides a metric counts by the parameter `metrics`.
        study=ancient(STUDY_FILE),
        dataset=f"{DATASET}/dataset.json",
        # Their content counts, by the parameter `metrics`; their times do not.
        files=ancient(local(lambda wildcards: list(STUDY.metric_files))),
    output:
        record=f"{RESULTS}/own_code/metrics.json",
    log:
        f"{LOGS}/own_code/metrics.log",
    priority: 2 + len(STUDY.sizes)
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        dataset=subpath(input.dataset, parent=True),
        metrics=METRICS_MEANING,
        names=lambda wildcards: sorted(STUDY.metrics),
    shell:
        "{params.smallmix} check-own-code --only metrics --configuration @{input.study} --dataset {params.dataset} "
        "--record {output} > {log} 2>&1"
