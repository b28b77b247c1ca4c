"""Before stage 3: methods and networks of the user's own are tried, and kept as they were tried."""

COPIES_OF = {cell.id: copies_of(cell, f"{RESULTS}/{COPIES}") for cell in STUDY.cells}
TRIED = [f"{RESULTS}/own_code.json"] if OWN_CODE else []

if OWN_CODE:

    rule check_own_code:
        """Try each method and network of the user's own, and copy its file: the cells are trained by the copy.

        So nothing depends on where the user keeps a file, and an edit meanwhile reaches no training of this run.
        """
        input:
            study=ancient(STUDY_FILE),
            dataset=f"{DATASET}/dataset.json",
            # As a function's value: braces in a file's name are no wildcards there. Their content counts, by `tried`.
            files=ancient(local(lambda wildcards: OWN_CODE)),
        output:
            tried=TRIED,
            copies=[f"{RESULTS}/{COPIES}/{Path(file).name}" for file in OWN_CODE],
        log:
            f"{LOGS}/check_own_code.log",
        # Before the subsets: a run that Snakemake starts here has tried them already, as it started.
        priority: 2 + len(STUDY.sizes)
        localrule: True
        conda:
            "../../envs/training.yaml"
        params:
            smallmix=lambda wildcards, resources: SMALLMIX,
            dataset=subpath(input.dataset, parent=True),
            folder=subpath(output.tried, parent=True),
            tried=[trial.fingerprint for trial in trials_of(STUDY)],
            code=fingerprint_code("smallmix.training.own_code_trial"),
        shell:
            "{params.smallmix} check-own-code --configuration @{input.study} --dataset {params.dataset} "
            "--output {params.folder} > {log} 2>&1"
