"""Before stage 3: methods and networks of the user's own are tried, and kept as they were tried."""

OWN_FILES = {Path(file).name: file for file in STUDY.own_code}
COPIES_OF = {cell.id: [f"{RESULTS}/own_code/{Path(file).name}" for file in cell.own_code] for cell in STUDY.cells}
TRIALS = trials_of(STUDY)
TRIED = [f"{RESULTS}/own_code/{name}" for name in OWN_FILES]


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
        "{params.smallmix} check-own-code --configuration {params.study} --dataset {params.dataset} "
        "--file {wildcards.file:q} --copy {output.kept:q} --record {output.record:q} > {log} 2>&1"
