"""Stage 6: one page with the answer, and how each number was obtained."""

TEMPLATES = [
    PACKAGE_FOLDER / "report" / name for name in ("report.html.j2", "table.html.j2", "report.css", "report.js")
]


rule render_report:
    """Render the HTML report: one file, no network, readable without JavaScript."""
    input:
        study=STUDY_FILE,
        dataset=f"{DATASET}/dataset.json",
        # As a function's value: braces in a file's name are no wildcards there.
        published=local(lambda wildcards: PUBLISHED),
        subsets=SUBSET_TABLE,
        tables=expand(
            "{folder}/{table}",
            folder=RESULTS,
            table=[
                "metrics.csv",
                "history.csv",
                "cells.csv",
                "summary.csv",
                "comparison.csv",
                "claims.csv",
                "subset_scatter.csv",
                "per_class.csv",
                "class_summary.csv",
                "class_balance.csv",
                "own_metric_summary.csv",
                "provenance.json",
            ],
        ),
        figures=[path for path in FIGURES if not path.endswith(".png")],
        own_code=TRIED,  # whose parameters the page lists
    output:
        page=report(REPORT, category="Report", labels={"page": STUDY.name}, caption="../report/report.rst"),
    log:
        f"{LOGS}/render_report.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        code=fingerprint_code("smallmix.report.page"),
        article=ARTICLE_FINGERPRINT,
        templates=fingerprint_value([fingerprint_file(path) for path in TEMPLATES]),
    message:
        "rendering {output}"
    shell:
        "{params.smallmix} render-report --study {input.study} --own-code {input.own_code:q} --published {input.published} "
        "--output {output} > {log} 2>&1"


onsuccess:
    steps = {job.rule.name for job in workflow.dag.jobs}
    if "render_report" in steps:
        remove_so_far(LAYOUT)
    if "render_report" in steps and not PLUGIN_SPEAKS:
        print(*RUN.closing_lines(), sep="\n", file=sys.stderr, flush=True)


onerror:
    # Failed or interrupted: show what there is, and which cells failed with which last lines.
    if not STORAGE and has_news(LAYOUT):  # with a storage there are no results here to show
        shell("{SMALLMIX} report --brief --configuration {STUDY_ARGUMENT} --command {RUN.command:q}")
