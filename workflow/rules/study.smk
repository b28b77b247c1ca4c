"""The study: the configuration resolved into cells, and the paths of everything."""

import json
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Of this file, not of the Snakefile that Snakemake was started with: another workflow may include this one.
PACKAGE_FOLDER = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parent
if not PACKAGE_FOLDER.is_dir():
    raise WorkflowError(f"smallmix runs from a copy on this machine: clone {PACKAGE_FOLDER} and name its Snakefile.")
# Snakemake put the Snakefile's folder first, where a user's random.py would take the library's place.
sys.path[:] = [str(PACKAGE_FOLDER), *(entry for entry in sys.path if entry != str(PACKAGE_FOLDER.parent))]

from smallmix.code_fingerprint import fingerprint_code, fingerprint_training
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.figures.names import FIGURE_NAMES
from smallmix.fingerprints import canonical_json, fingerprint_file, fingerprint_value
from smallmix.snakemake_files.interpreter import explain_encoding, explain_project_folder, rule_command, shield_commands
from smallmix.planning.capacity import Capacity, plan_options
from smallmix.planning.plan import brief_plan
from smallmix.planning.run_view import CurrentRun, announce, has_news, remove_so_far
from smallmix.planning.start import check_start, explain_refused, keep_copied
from smallmix.snakemake_files.run_lock import clear_stale_locks, hold_run_lock
from smallmix.study.command_lines import command_typed, hand_over
from smallmix.study.configuration import resolve_configuration
from smallmix.study.layers import explain_mixed_studies
from smallmix.study.layout import CELL_FILES, COLLECTED_TABLES, DATASET_FILES, STORE, STUDY_TABLES, Layout
from smallmix.study.published import ARTICLE, find_published
from smallmix.study.study import Study
from smallmix.study.targets import TARGETS, explain_configfiles

FOLDER_PROBLEM = explain_project_folder(PACKAGE_FOLDER)
if FOLDER_PROBLEM:
    raise WorkflowError(FOLDER_PROBLEM)

# Rules with software environments of their own (--sdm conda, apptainer, ...) bring their own Python.
OWN_ENVIRONMENTS = bool(workflow.deployment_settings.deployment_method)
# Rules take the command as a parameter, since a module's shell commands see no name of this file. The parameter's function
# asks for resources: Snakemake does not track such parameters, so a project that moved runs nothing again.
SMALLMIX = rule_command(OWN_ENVIRONMENTS)
shield_commands(OWN_ENVIRONMENTS)

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

MISPLACED = explain_configfiles(sys.argv, TARGETS) if workflow.is_main_process else None
if MISPLACED:
    raise WorkflowError(MISPLACED)

try:
    STUDY = Study.from_configuration(resolve_configuration(config, CONFIGURATION_FILES))
except ConfigurationError as error:
    raise WorkflowError(str(error)) from None

MIXED = explain_mixed_studies(CONFIGURATION_FILES) if workflow.is_main_process else None
if MIXED:
    print(f"smallmix: {MIXED}", file=sys.stderr)

STUDY_TEXT = STUDY.to_json()
ENCODING_PROBLEM = explain_encoding(json.dumps([STUDY.configuration, os.getcwd()], ensure_ascii=False))
if ENCODING_PROBLEM:
    raise WorkflowError(ENCODING_PROBLEM)
STUDY_ARGUMENT = hand_over(STUDY) if workflow.is_main_process else ""
LAYOUT = Layout(STUDY)
RESULTS, REPORTS, DATASET = str(LAYOUT.results), str(LAYOUT.report), str(LAYOUT.dataset)
LOGS = f"logs/{STUDY.name}"
CELLS = {cell.id: cell for cell in STUDY.cells}
# For the logger plugin, which says how to continue and what the answer is. Where it speaks, the hooks need not.
RUN = CurrentRun(LAYOUT, command_typed(sys.argv))
announce(RUN)
PLUGIN_SPEAKS = any(getattr(handler, "own_words", False) for handler in workflow.logger_manager.get_log_handlers())

STUDY_FILE = str(LAYOUT.study_file)
SUBSETS = sorted({str(LAYOUT.subset(cell)) for cell in STUDY.cells})
SUBSET_TABLE = f"{RESULTS}/subset_table.csv"
CELL_METRICS = [f"{LAYOUT.cell(cell)}/metrics.json" for cell in STUDY.cells]
CELL_OUTPUTS = [f"{LAYOUT.cell(cell)}/{name}" for cell in STUDY.cells for name in CELL_FILES]
TABLES = [f"{RESULTS}/{name}" for name in STUDY_TABLES]
FIGURES = [f"{REPORTS}/figures/{name}.{kind}" for name in FIGURE_NAMES for kind in ("svg", "png", "json")]
PUBLISHED = [str(find_published(STUDY.configuration["published"]))] if STUDY.configuration["published"] else []
REPORT = f"{REPORTS}/report.html"
# Steps that hold a study against the article's protocol follow its file, whatever published numbers the study names.
ARTICLE_FINGERPRINT = fingerprint_file(ARTICLE)

# Snakemake's own records may lack a change, or the file altogether. Nothing outdated may be taken for current.
try:
    REFUSED = check_start(LAYOUT) if workflow.is_main_process else {}
except SmallmixError as error:
    raise WorkflowError(str(error)) from None
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
        capacity = Capacity.of(workflow)
    except SmallmixError as error:
        raise WorkflowError(str(error)) from None
    keep_copied(LAYOUT)
    rules_to_run = {job.rule.name for job in workflow.dag.needrun_jobs()}
    if rules_to_run != {"plan"}:  # which says it better
        chosen = {
            f"n{job.wildcards.size}/{job.wildcards.method}/seed{job.wildcards.seed}"
            for job in workflow.dag.needrun_jobs()
            if job.rule.name == "train_cell"
        }
        print(brief_plan(STUDY, Path(), capacity, chosen), flush=True)
        if chosen and capacity.on_gpus and not OWN_ENVIRONMENTS:
            shell("{SMALLMIX} plan --check-gpus")


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
        smallmix=lambda wildcards, resources: SMALLMIX,
        study=lambda wildcards, resources: STUDY_ARGUMENT,
        # A function's text is taken as it is: braces in a title are no wildcards.
        configuration=lambda wildcards: STUDY_TEXT,
    shell:
        "{params.smallmix} resolve-study --configuration {params.study} --output {output} > {log} 2>&1"


rule plan:
    """Say what a full run would do here, before it is started: cells, iterations, time, disk."""
    log:
        f"{LOGS}/plan.log",
    localrule: True
    conda:
        "../../envs/training.yaml"
    params:
        smallmix=lambda wildcards, resources: SMALLMIX,
        study=lambda wildcards, resources: STUDY_ARGUMENT,
        options=lambda wildcards: plan_options(workflow),
    shell:
        "{params.smallmix} plan {params.options} --configuration {params.study} 2>&1 | tee {log}"
