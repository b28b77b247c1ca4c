"""Stage 2: which training images each size sees."""

SUBSET = f"{RESULTS}/subsets/n{{size}}{'-seed{seed}' if STUDY.redraws_subsets else ''}.csv"


rule extract_subset:
    """Choose the training images of one size by the study's rule; the table is for people to read, too."""
    input:
        dataset=f"{DATASET}/dataset.json",
    output:
        SUBSET,
    params:
        rule=lambda wildcards: STUDY.subset_rule(
            int(wildcards.size), int(wildcards.get("seed", STUDY.seeds[0]))
        ),
        code=fingerprint_code("smallmix.science.subsets"),
    log:
        f"{LOGS}/subsets/{Path(SUBSET).stem}.log",
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smallmix extract-subset --dataset {DATASET:q} --rule {params.rule:q} --output {output} > {log} 2>&1"


rule tabulate_subsets:
    """Count the smallest and the largest class of every size: the article's Table 1."""
    input:
        study=STUDY_FILE,
        dataset=f"{DATASET}/dataset.json",
        subsets=SUBSETS,
    output:
        SUBSET_TABLE,
    params:
        code=fingerprint_code("smallmix.collection.subset_table"),
    log:
        f"{LOGS}/tabulate_subsets.log",
    conda:
        "../../envs/analysis.yaml"
    shell:
        "python -m smallmix tabulate-subsets --study {input.study} --output {output} 2> {log}"
