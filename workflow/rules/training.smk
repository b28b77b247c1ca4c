"""Stage 3: one training job per size x method x seed."""

# Of the code that decides a cell's numbers; another method's or network's file is none of its business.
TRAINING_CODE = {place: fingerprint_training(cell.value) for place, cell in CELLS.items()}
FIRST_WEIGHTS = [STUDY.weights_file] if STUDY.weights_file else []

# The trained network is an output where the study keeps it (keep.weights).
KEPT_WEIGHTS = (
    {"weights": f"{RESULTS}/cells/n{{size}}/{{method}}/seed{{seed}}/{WEIGHTS_FILE}"} if STUDY.keeps_weights else {}
)

SMALLEST_LAST = sorted(STUDY.sizes, reverse=True)


rule train_cell:
    """Train one cell, or continue it, or find it in the store of trained cells.

    The cell's value decides its result and is compared as one text; the checkpoint and the lasting log lie in the store,
    which Snakemake neither deletes nor declares.
    """
    input:
        dataset=f"{DATASET}/dataset.json",
        arrays=BROUGHT_ALONG,
        subset=SUBSET,
        validation=VALIDATION,
        # Copies of the user's Python files, as they were tried.
        own_code=lambda wildcards: COPIES_OF[f"n{wildcards.size}/{wildcards.method}/seed{wildcards.seed}"],
        # The content counts, by its sha256 in the cell's value.
        weights=ancient(local(lambda wildcards: FIRST_WEIGHTS)),
    output:
        **KEPT_WEIGHTS,
        history=f"{RESULTS}/cells/n{{size}}/{{method}}/seed{{seed}}/history.csv",
        predictions=f"{RESULTS}/cells/n{{size}}/{{method}}/seed{{seed}}/predictions.npz",
        metrics=f"{RESULTS}/cells/n{{size}}/{{method}}/seed{{seed}}/metrics.json",
    log:
        f"{LOGS}/cells/n{{size}}/{{method}}/seed{{seed}}.log",
    benchmark:
        # Time and peak memory. Beside the log, since it is no result: a cell without it is complete.
        f"{LOGS}/cells/n{{size}}/{{method}}/seed{{seed}}.tsv"
    # Small sizes first: they answer soonest. It stands in no parameter, so it runs nothing again.
    priority: lambda wildcards: 1 + SMALLEST_LAST.index(int(wildcards.size))
    conda:
        "../../envs/training.yaml"
    threads: STUDY.configuration["recipe"]["cpu_threads"]
    resources:
        gpu=1,
        cells_per_card=1,
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        dataset=subpath(input.dataset, parent=True),
        store=str(LAYOUT.store),
        folder=subpath(output.metrics, parent=True),
        cell=lambda wildcards: CELLS[f"n{wildcards.size}/{wildcards.method}/seed{wildcards.seed}"].value.to_json(),
        code=lambda wildcards: TRAINING_CODE[f"n{wildcards.size}/{wildcards.method}/seed{wildcards.seed}"],
        # A site may ask for its GPUs by `gres` alone. (Snakemake does not track params that read resources.)
        gpus=lambda wildcards, resources: resources.gpu or int("gpu" in str(resources.get("gres", ""))),
        # It decides no other output: where it is turned on, the file is missing, and where it is turned off, nothing runs.
        keep=lambda wildcards, resources: "--keep-weights " if STUDY.keeps_weights else "",
    message:
        "training {wildcards.size} images, {wildcards.method}, seed {wildcards.seed}; follow it in {log}"
    shell:
        # --wait-for-lock: an orphan of a killed Snakemake may still train this cell; its result is then taken.
        # exec: signals reach the trainer itself, which saves before it leaves.
        "exec {params.smallmix} train-cell --cell {params.cell:q} --own-code {input.own_code:q} {input.weights:q} "
        "--dataset {params.dataset} --subset {input.subset} --validation {input.validation} "
        "--store {params.store} --output {params.folder} --gpus {params.gpus} "
        "{params.keep}--cells-per-card {resources.cells_per_card} --wait-for-lock 604800 2> {log}"
