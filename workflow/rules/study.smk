"""The study: the configuration resolved into cells, and the paths of everything."""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Of this file, not of the Snakefile that Snakemake was started with: another workflow may include this one.
PACKAGE_FOLDER = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parent
if not PACKAGE_FOLDER.is_dir():
    raise WorkflowError(f"smallmix runs from a copy on this machine: clone {PACKAGE_FOLDER} and name its Snakefile.")
sys.path.insert(0, str(PACKAGE_FOLDER))

from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.figures.names import FIGURE_NAMES
from smallmix.fingerprints import canonical_json, fingerprint_code, fingerprint_file, fingerprint_value
from smallmix.interpreter import lead_commands_here
from smallmix.planning.start import check_start, explain_refused, keep_copied
from smallmix.run_lock import clear_stale_locks, hold_run_lock
from smallmix.study.configuration import resolve_configuration
from smallmix.study.layout import CELL_FILES, COLLECTED_TABLES, DATASET_FILES, STORE, STUDY_TABLES, Layout
from smallmix.study.published import find_published
from smallmix.study.study import Study

lead_commands_here()

# What is included gives Snakemake no default target: it would only say that nothing is to be done.
INCLUDED = workflow.modifier.is_main_snakefile() and len(workflow.included_stack) > 2 and not workflow.default_target
if INCLUDED and workflow.is_main_process:
    print(
        "smallmix: included from another Snakefile, so name a target, as in `snakemake all --cores all`",
        file=sys.stderr,
    )

# As they were merged: the Snakefile's own file first, then those of the command line. A module is given its values.
CONFIGURATION_FILES = (
    []
    if workflow.modifier.skip_configfile
    else [Path(file) for file in (BASE_CONFIGURATION, *workflow.overwrite_configfiles) if os.path.exists(file)]
)

try:
    STUDY = Study.from_configuration(resolve_configuration(config, CONFIGURATION_FILES))
except ConfigurationError as fault:
    raise WorkflowError(str(fault)) from None

STUDY_TEXT = STUDY.to_json()
LAYOUT = Layout(STUDY)
RESULTS, REPORTS, DATASET = str(LAYOUT.results), str(LAYOUT.report), str(LAYOUT.dataset)
LOGS = f"logs/{STUDY.name}"
CELLS = {cell.place: cell for cell in STUDY.cells}

STUDY_FILE = str(LAYOUT.study_file)
SUBSETS = sorted({str(LAYOUT.subset(cell)) for cell in STUDY.cells})
SUBSET_TABLE = f"{RESULTS}/subset_table.csv"
CELL_METRICS = [f"{LAYOUT.cell(cell)}/metrics.json" for cell in STUDY.cells]
CELL_OUTPUTS = [f"{LAYOUT.cell(cell)}/{name}" for cell in STUDY.cells for name in CELL_FILES]
TABLES = [f"{RESULTS}/{name}" for name in STUDY_TABLES]
FIGURES = [f"{REPORTS}/figures/{name}.{kind}" for name in FIGURE_NAMES for kind in ("svg", "png", "json")]
PUBLISHED = [str(find_published(STUDY.configuration["published"]))] if STUDY.configuration["published"] else []
REPORT = f"{REPORTS}/report.html"

# Snakemake's own records may lack a change, or the file altogether. Nothing outdated may pass for current.
try:
    REFUSED = check_start(LAYOUT) if workflow.is_main_process else {}
except SmallmixError as fault:
    raise WorkflowError(str(fault)) from None
if REFUSED:
    raise WorkflowError(explain_refused(REFUSED, CONFIGURATION_FILES, PACKAGE_FOLDER))

# A Snakemake that was killed leaves its locks behind. Where no Snakemake runs here any more, they are cleared.
BUSY = clear_stale_locks(STUDY.name) if workflow.is_main_process else None
if BUSY:
    print(f"smallmix: {BUSY}", file=sys.stderr)


wildcard_constraints:
    size="|".join(map(str, STUDY.sizes)),
    method="|".join(STUDY.methods),
    seed="|".join(map(str, STUDY.seeds)),


onstart:
    try:
        hold_run_lock(STUDY.name)
    except SmallmixError as fault:
        raise WorkflowError(str(fault)) from None
    keep_copied(LAYOUT)
    shell("python -m smallmix plan --brief --configuration {STUDY_TEXT:q}")


rule resolve_study:
    """Write the resolved configuration, every default filled in: what all later steps and readers go by."""
    output:
        STUDY_FILE,
    log:
        f"{LOGS}/resolve_study.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        configuration=STUDY_TEXT,
    shell:
        "python -m smallmix resolve-study --configuration {params.configuration:q} --output {output} > {log} 2>&1"


rule plan:
    """Say what a full run would do here, before it is started: cells, iterations, time, disk."""
    log:
        f"{LOGS}/plan.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        configuration=STUDY_TEXT,
    shell:
        "python -m smallmix plan --configuration {params.configuration:q} 2>&1 | tee {log}"
