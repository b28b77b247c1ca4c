"""Stage 5: pictures of the tables."""


rule plot_figures:
    """Draw every figure (SVG for the report, also for phones, PNG for slides) and put it into words (JSON).

    One job for all: they are drawn by the same code from the same tables, and starting costs more than drawing.
    """
    input:
        study=STUDY_FILE,
        dataset=expand("{folder}/{file}", folder=DATASET, file=DATASET_FILES),
        # As a function's value: braces in a file's name are no wildcards there.
        published=local(lambda wildcards: PUBLISHED),
        subsets=SUBSETS,
        metrics=f"{RESULTS}/metrics.csv",
        history=f"{RESULTS}/history.csv",
        cells=f"{RESULTS}/cells.csv",
        summary=f"{RESULTS}/summary.csv",
        comparison=f"{RESULTS}/comparison.csv",
        class_summary=f"{RESULTS}/class_summary.csv",
        confusion=f"{RESULTS}/confusion.csv",
        own_code=TRIED,  # which the preview of methods runs
    output:
        svg=[
            report(
                f"{REPORTS}/figures/{name}.svg",
                category="Figures",
                labels={"figure": name.replace("_", " ")},
                caption=f"../report/{name}.rst",
            )
            for name in FIGURE_NAMES
        ],
        png=expand("{folder}/figures/{name}.png", folder=REPORTS, name=FIGURE_NAMES),
        narrow=expand("{folder}/figures/{name}_narrow.svg", folder=REPORTS, name=NARROW_FIGURES),
        words=expand("{folder}/figures/{name}.json", folder=REPORTS, name=FIGURE_NAMES),
    log:
        f"{LOGS}/plot_figures.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        folder=subpath(output[0], parent=True),
        code=fingerprint_code("smallmix.figures.catalogue"),
    message:
        "drawing {output.svg}"
    shell:
        "{params.smallmix} plot-figures --study {input.study} --own-code {input.own_code:q} --published {input.published} "
        "--output-dir {params.folder} > {log} 2>&1"
