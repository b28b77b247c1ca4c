"""Stage 5: pictures of the tables."""


rule plot_figure:
    """Draw one figure (SVG for the report, PNG for slides) and put it into words (JSON)."""
    input:
        study=STUDY_FILE,
        dataset=f"{DATASET}/dataset.json",
        subsets=SUBSETS,
        tables=expand(
            "{folder}/{table}",
            folder=RESULTS,
            table=["metrics.csv", "history.csv", "cells.csv", "comparison.csv"],
        ),
    output:
        svg=report(
            f"{REPORTS}/figures/{{figure}}.svg",
            category="Figures",
            labels={"figure": "{figure}"},
            caption="../report/{figure}.rst",
        ),
        png=f"{REPORTS}/figures/{{figure}}.png",
        words=f"{REPORTS}/figures/{{figure}}.json",
    log:
        f"{LOGS}/figures/{{figure}}.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        folder=subpath(output.svg, parent=True),
        code=fingerprint_code("smallmix.figures.catalogue"),
    shell:
        "python -m smallmix plot-figures --study {input.study} --figure {wildcards.figure} "
        "--output-dir {params.folder} 2> {log}"
