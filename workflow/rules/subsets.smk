"""Stage 2: which training images each size sees."""

SUBSET = f"{RESULTS}/subsets/n{{size}}{'-seed{seed}' if STUDY.redraws_subsets else ''}.csv"


rule extract_subset:
    """Choose the training images of one size by the study's rule; the table is for people to read, too."""
    input:
        dataset=f"{DATASET}/dataset.json",
        table=[path for path in BROUGHT_ALONG if path.endswith("train.csv")],
    output:
        table=SUBSET,
    log:
        f"{LOGS}/subsets/{Path(SUBSET).stem}.log",
    # Before every training, or the sizes whose subsets come first would be trained first.
    priority: 1 + len(STUDY.sizes)
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        dataset=subpath(input.dataset, parent=True),
        rule=lambda wildcards: STUDY.subset_rule(int(wildcards.size), int(wildcards.get("seed", STUDY.seeds[0]))),
        code=fingerprint_code("smallmix.science.subsets"),
    shell:
        "{params.smallmix} extract-subset --dataset {params.dataset} --rule {params.rule:q} --output {output} > {log} 2>&1"


rule draw_validation:
    """Draw the study's validation images from the training images that no size and seed uses.

    It goes by the rules of the subsets, not by their tables: a table that is written again draws nothing anew.
    """
    input:
        dataset=f"{DATASET}/dataset.json",
        table=[path for path in BROUGHT_ALONG if path.endswith("train.csv")],
    output:
        table=VALIDATION_TABLE,
    log:
        f"{LOGS}/subsets/validation.log",
    priority: 1 + len(STUDY.sizes)
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        dataset=subpath(input.dataset, parent=True),
        draw=lambda wildcards: STUDY.validation_draw.to_json(),
        code=fingerprint_code("smallmix.science.validation", "smallmix.science.subsets"),
    shell:
        "{params.smallmix} draw-validation --dataset {params.dataset} --draw {params.draw:q} --output {output} > {log} 2>&1"


rule tabulate_subsets:
    """Count the smallest and the largest class of every size: the article's Table 1."""
    input:
        study=STUDY_FILE,
        dataset=f"{DATASET}/dataset.json",
        subsets=SUBSETS,
    output:
        table=report(
            SUBSET_TABLE,
            category="Tables",
            labels={"table": "classes by size"},
            caption="../report/subset_table.rst",
        ),
    log:
        f"{LOGS}/tabulate_subsets.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        code=fingerprint_code("smallmix.tables.subset_table"),
    shell:
        "{params.smallmix} tabulate-subsets --study {input.study} --output {output} > {log} 2>&1"
