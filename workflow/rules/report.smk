"""Stage 6: one page with the answer, and how each number was obtained."""


rule render_report:
    """Render the HTML report: one file, no network, readable without JavaScript."""
    input:
        study=STUDY_FILE,
        dataset=f"{DATASET}/dataset.json",
        published=STUDY.configuration["published"] or [],
        subsets=SUBSET_TABLE,
        tables=expand(
            "{folder}/{table}",
            folder=RESULTS,
            table=[
                "metrics.csv",
                "cells.csv",
                "comparison.csv",
                "claims.csv",
                "provenance.json",
            ],
        ),
        figures=FIGURES,
    output:
        report(REPORT, category="Report", caption="../report/report.rst"),
    params:
        code=fingerprint_code("smallmix.report.page"),
        figures=f"{REPORTS}/figures",
    log:
        f"{LOGS}/render_report.log",
    conda:
        "../../envs/analysis.yaml"
    message:
        "rendering {output}"
    shell:
        "python -m smallmix render-report --study {input.study} --figures {params.figures} --output {output} 2> {log}"
