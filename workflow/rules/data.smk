"""Stage 1: images from outside become verified arrays."""

OWN_IMAGES = STUDY.configuration["dataset"]["image-list"]["folder"]
OWN_LISTS = (
    [f"{OWN_IMAGES}/train.csv", f"{OWN_IMAGES}/test.csv"]
    if STUDY.configuration["dataset"]["name"] == "image-list"
    else []
)


rule fetch_dataset:
    """Bring the data set into resources/<dataset>/ as checked arrays; the only rule that reads foreign files."""
    input:
        lists=OWN_LISTS,
    output:
        expand("{folder}/{file}", folder=DATASET, file=DATASET_FILES),
    params:
        settings=canonical_json(STUDY.configuration["dataset"]),
        code=fingerprint_code("smallmix.datasets.fetch"),
    log:
        f"logs/datasets/{STUDY.dataset}.log",
    conda:
        "../../envs/training.yaml"
    shell:
        "python -m smallmix fetch-dataset --settings {params.settings:q} --output {DATASET:q} 2>&1 | tee {log}"
