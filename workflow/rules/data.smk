"""Stage 1: images from outside become verified arrays."""

OWN_IMAGES = own_images(STUDY.configuration["dataset"]) or {"folder": None}
CUSTOM_INPUTS = {
    "image-list": [f"{OWN_IMAGES['folder']}/train.csv", f"{OWN_IMAGES['folder']}/test.csv"],
    "image-folder": [OWN_IMAGES["folder"]],  # or the zip file
}.get(STUDY.configuration["dataset"]["name"], [])

# Of these, the address may fail and answer a minute later. Whatever else goes wrong is the user's to mend.
DOWNLOADED = is_downloaded(STUDY.configuration["dataset"])
# The files beside dataset.json, which holds their checksums. A storage brings only what is named as an input. Without one
# they are not named: Snakemake's records of trained cells have no such inputs, so it would run every cell again.
BROUGHT_ALONG = [f"{DATASET}/{file}" for file in DATASET_FILES if file != "dataset.json"] if STORAGE else []
# A storage does not bring the table of a division, which is no output: it stays in the project's folder.
FETCHING = (
    rule_command(OWN_ENVIRONMENTS, {**FOLDERS.hand_over(), DIVISION: str(LAYOUT.dataset)}) if STORAGE else SMALLMIX
)


rule fetch_dataset:
    """Bring the data set into resources/<dataset>/ as checked arrays; the only rule that reads foreign files."""
    input:
        # Their times do not count: at each start their content is compared with what the arrays were made from.
        # As a function's value: braces in a folder's name are no wildcards there.
        images=ancient(local(lambda wildcards: CUSTOM_INPUTS)),
    output:
        dataset=expand("{folder}/{file}", folder=DATASET, file=DATASET_FILES),
    log:
        f"{DECLARED.logs}/datasets/{STUDY.dataset}.log",
    retries: int(DOWNLOADED)  # the fetcher itself asks each address three times, and continues what has arrived
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        smallmix=lambda wildcards, resources: FETCHING,
        folder=subpath(output[0], parent=True),
        settings=lambda wildcards: canonical_json(STUDY.configuration["dataset"]),
        code=fingerprint_code("smallmix.datasets.fetch"),
        shown=lambda wildcards, resources: SHOWN_BELOW,
    shell:
        "{params.smallmix} fetch-dataset --settings {params.settings:q} --output {params.folder} 2>&1 | tee {log} "
        "| {params.shown}"
