"""Stage 6: one page with the answer, and how each number was obtained."""

TEMPLATES = [PACKAGE_FOLDER / "report" / name for name in ("report.html.j2", "report.css", "report.js")]


rule render_report:
    """Render the HTML report: one file, no network, readable without JavaScript."""
    input:
        study=STUDY_FILE,
        dataset=f"{DATASET}/dataset.json",
        # As a function's value: braces in a file's name are no wildcards there.
        published=lambda wildcards: PUBLISHED,
        subsets=SUBSET_TABLE,
        tables=expand(
            "{folder}/{table}",
            folder=RESULTS,
            table=[
                "metrics.csv",
                "cells.csv",
                "summary.csv",
                "comparison.csv",
                "claims.csv",
                "provenance.json",
            ],
        ),
        figures=[path for path in FIGURES if path.endswith(".svg")],
    output:
        report(REPORT, category="Report", caption="../report/report.rst"),
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
        "{params.smallmix} render-report --study {input.study} --output {output} > {log} 2>&1"


onsuccess:
    steps = {job.rule.name for job in workflow.dag.jobs}
    if "render_report" in steps:
        remove_so_far(LAYOUT)
    if "render_report" in steps and not PLUGIN_SPEAKS:
        print(*RUN.closing_lines(), sep="\n", file=sys.stderr, flush=True)


onerror:
    # Failed or interrupted: show what there is, and which cells failed with which last lines.
    if has_news(LAYOUT):
        shell("{SMALLMIX} report-so-far --brief --configuration {STUDY_ARGUMENT} --command {RUN.command:q}")
