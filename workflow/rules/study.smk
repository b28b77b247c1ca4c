"""The study: the configuration resolved into cells, and the paths of everything."""

import json
import os
import re
import sys
from dataclasses import fields
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Of this file, not of the Snakefile that Snakemake was started with: another workflow may include this one.
PACKAGE_FOLDER = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parent
if not PACKAGE_FOLDER.is_dir():
    raise WorkflowError(f"smallmix runs from a copy on this machine: clone {PACKAGE_FOLDER} and name its Snakefile.")
# The package lies beside the rules or, in an installed wheel, around them. Snakemake put the Snakefile's folder first, where
# a user's random.py would take the library's place.
PACKAGE = PACKAGE_FOLDER / "smallmix"
sys.path[:] = [entry for entry in sys.path if entry != str(PACKAGE_FOLDER.parent)]
if PACKAGE.is_dir():
    sys.path[:] = [str(PACKAGE_FOLDER), *(entry for entry in sys.path if entry != str(PACKAGE_FOLDER))]
else:
    PACKAGE = PACKAGE_FOLDER.parents[1]
# Another copy may be installed, and imported by now. What a run writes and compares must come from this one.
if not any(
    Path(place).resolve() == PACKAGE.resolve() for place in getattr(sys.modules.get("smallmix"), "__path__", [])
):
    for name in [name for name in sys.modules if name.partition(".")[0] == "smallmix"]:
        del sys.modules[name]
    SPEC = spec_from_file_location("smallmix", PACKAGE / "__init__.py", submodule_search_locations=[str(PACKAGE)])
    sys.modules["smallmix"] = module_from_spec(SPEC)
    SPEC.loader.exec_module(sys.modules["smallmix"])

from smallmix.code_fingerprint import fingerprint_code, fingerprint_own, fingerprint_training
from smallmix.datasets.kept_division import VARIABLE as DIVISION
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.figures.names import FIGURE_NAMES, NARROW_FIGURES
from smallmix.fingerprints import canonical_json, fingerprint_file, fingerprint_value
from smallmix.snakemake_files.interpreter import explain_encoding, explain_project_folder, rule_command, shield_commands
from smallmix.planning.capacity import Capacity, plan_options
from smallmix.planning.estimate import RunJobs
from smallmix.planning.own_code_at_start import own_code_to_try, try_own_code
from smallmix.planning.plan import brief_plan
from smallmix.planning.run_view import CurrentRun, announce, has_news, remove_so_far
from smallmix.planning.start import check_start, check_storage, explain_refused, keep_copied
from smallmix.snakemake_files.run_lock import clear_stale_locks, hold_run_lock
from smallmix.study.command_lines import command_typed, hand_over
from smallmix.study.configuration import resolve_configuration
from smallmix.study.known_datasets import is_downloaded
from smallmix.study.layers import explain_mixed_studies
from smallmix.study.layout import (
    CELL_FILES,
    CLASS_TABLES,
    COLLECTED_TABLES,
    DATASET_FILES,
    METRIC_TABLES,
    STUDY_TABLES,
    WEIGHTS_FILE,
    Folders,
    Layout,
)
from smallmix.study.metric_forms import load_own_metrics
from smallmix.study.own_images import own_images
from smallmix.study.own_trials import tried_of, trials_of
from smallmix.study.published import ARTICLE, find_published
from smallmix.study.study import Study
from smallmix.study.study_names import explain_shared_name
from smallmix.study.targets import TARGETS, explain_configfiles

FOLDER_PROBLEM = explain_project_folder(PACKAGE_FOLDER)
if FOLDER_PROBLEM:
    raise WorkflowError(FOLDER_PROBLEM)

# Rules with software environments of their own (--sdm conda, apptainer, ...) bring their own Python.
OWN_ENVIRONMENTS = bool(workflow.deployment_settings.deployment_method)
shield_commands(OWN_ENVIRONMENTS)

# What is included gives Snakemake no default target: it would only say that nothing is to be done.
INCLUDED = workflow.modifier.is_main_snakefile() and len(workflow.included_stack) > 2 and not workflow.default_target
# Whether Snakemake was started with this project's Snakefile, not with another one that uses it.
ALONE = workflow.modifier.is_main_snakefile() and os.path.realpath(workflow.main_snakefile) in (
    os.path.realpath(folder / "Snakefile") for folder in (PACKAGE_FOLDER, PACKAGE_FOLDER.parent)
)
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
    STUDY = Study.from_configuration(
        resolve_configuration(config, CONFIGURATION_FILES, workflow.config_settings.config)
    )
    # What the user's files with metrics mean. They decide no cell.
    METRICS_MEANING = fingerprint_own(STUDY.metrics.values())
except ConfigurationError as error:
    raise WorkflowError(str(error)) from None

if workflow.is_main_process:
    MIXED = explain_mixed_studies(CONFIGURATION_FILES)
    SHARED_NAME = explain_shared_name(STUDY.name, CONFIGURATION_FILES)
    for note in filter(None, (MIXED, SHARED_NAME)):
        print(f"smallmix: {note}", file=sys.stderr)

STUDY_TEXT = STUDY.to_json()
ENCODING_PROBLEM = explain_encoding(json.dumps([STUDY.configuration, os.getcwd()], ensure_ascii=False))
if ENCODING_PROBLEM:
    raise WorkflowError(ENCODING_PROBLEM)
STUDY_ARGUMENT = hand_over(STUDY) if workflow.is_main_process else ""
# Where a workflow that uses this one as a module moves its folders (pathvars:, prefix:). Rules name them without the
# prefix, which Snakemake adds. Commands, and what is looked at here, need the whole path.
KINDS = [kind.name for kind in fields(Folders)]
DECLARED = Folders(**{kind: Path(workflow.pathvars.apply(f"<{kind}>")) for kind in KINDS})
add_prefix = workflow.modifier.path_modifier.replace_prefix
FOLDERS = Folders(**{kind: Path(add_prefix(f"{getattr(DECLARED, kind)}/.")) for kind in KINDS})
# Rules take the command as a parameter, since a module's shell commands see no name of this file. The parameter's function
# asks for resources: Snakemake does not track such parameters, so a project that moved runs nothing again.
SMALLMIX = rule_command(OWN_ENVIRONMENTS, FOLDERS.hand_over())
LAYOUT, PATHS = Layout(STUDY, folders=FOLDERS), Layout(STUDY, folders=DECLARED)
RESULTS, REPORTS, DATASET = str(PATHS.results), str(PATHS.report), str(PATHS.dataset)
LOGS = f"{DECLARED.logs}/{STUDY.name}"
# With --default-storage-provider the files lie elsewhere. What lies in the project's folder then belongs to other runs.
STORAGE = workflow.storage_settings.default_storage_provider
CELLS = {cell.id: cell for cell in STUDY.cells}
# For the logger plugin, which says how to continue and what the answer is. Where it speaks, the hooks need not.
RUN = CurrentRun(LAYOUT, command_typed(sys.argv))
announce(RUN)
PLUGIN_SPEAKS = any(getattr(handler, "own_words", False) for handler in workflow.logger_manager.get_log_handlers())
# What a job prints, which is its log, on its way to the terminal. Where an error in the log is shown at the end of the run,
# it is left out here. A log in a storage is not shown there.
SHOWN_BELOW = "sed -u '\\|^smallmix [a-z-]*: |,$d'" if PLUGIN_SPEAKS and not STORAGE else "cat"

STUDY_FILE = str(PATHS.study_file)
SUBSETS = sorted({str(PATHS.subset(cell)) for cell in STUDY.cells})
VALIDATION_TABLE = f"{RESULTS}/subsets/validation.csv"
VALIDATION = [VALIDATION_TABLE] if STUDY.validation_images else []
SUBSET_TABLE = f"{RESULTS}/subset_table.csv"
PREDICTIONS = [f"{PATHS.cell(cell)}/predictions.npz" for cell in STUDY.cells]
CELL_OUTPUTS = [f"{PATHS.cell(cell)}/{name}" for cell in STUDY.cells for name in CELL_FILES]
KEPT_NETWORKS = [f"{PATHS.cell(cell)}/{WEIGHTS_FILE}" for cell in STUDY.cells if STUDY.keeps_weights]
TABLES = [f"{RESULTS}/{name}" for name in STUDY_TABLES]
FIGURES = [f"{REPORTS}/figures/{name}.{kind}" for name in FIGURE_NAMES for kind in ("svg", "png", "json")]
FIGURES += [f"{REPORTS}/figures/{name}_narrow.svg" for name in NARROW_FIGURES]
PUBLISHED = [str(find_published(STUDY.configuration["published"]))] if STUDY.configuration["published"] else []
REPORT = f"{REPORTS}/report.html"
# Steps that hold a study against the article's protocol follow its file, whatever published numbers the study names.
ARTICLE_FINGERPRINT = fingerprint_file(ARTICLE)

# Snakemake's own records may lack a change, or the file altogether. Nothing outdated may be taken for current.
try:
    # Whether cells in a storage are judged by the user's own code as it is, since the storage's copy may be an older one.
    JUDGED_AGAIN = bool(
        workflow.is_main_process and STORAGE and check_storage(LAYOUT, workflow.storage_settings.default_storage_prefix)
    )
    REFUSED = check_start(LAYOUT) if workflow.is_main_process and not STORAGE else {}
except SmallmixError as error:
    raise WorkflowError(str(error)) from None
if REFUSED:
    raise WorkflowError(explain_refused(REFUSED, CONFIGURATION_FILES))

# A Snakemake that was killed leaves its locks behind. Where no Snakemake runs here any more, they are cleared. Another
# workflow that uses this one does not run its onstart, which would show that it runs: its locks are its own business.
BUSY = clear_stale_locks(STUDY.name) if workflow.is_main_process and ALONE else None
if BUSY:
    print(f"smallmix: {BUSY}", file=sys.stderr)


wildcard_constraints:
    size="|".join(map(str, STUDY.sizes)),
    method="|".join(STUDY.methods),
    seed="|".join(map(str, STUDY.seeds)),


onstart:
    try:
        if not OWN_ENVIRONMENTS:  # whose libraries this process may lack
            load_own_metrics(STUDY.metrics)
        hold_run_lock(STUDY.name)
        capacity = Capacity.of(workflow)
    except SmallmixError as error:
        raise WorkflowError(str(error)) from None
    if not STORAGE:
        keep_copied(LAYOUT)
    jobs = RunJobs.of(workflow.dag.needrun_jobs())
    TO_TRY = own_code_to_try(STUDY, jobs)
    if TO_TRY is not None and not OWN_ENVIRONMENTS:
        # The rules would say it, too, but file by file, and while cells of other methods train.
        OWN_FAULTS = try_own_code(f"{SMALLMIX} check-own-code {TO_TRY} --configuration {STUDY_ARGUMENT}")
        if OWN_FAULTS:
            raise WorkflowError(OWN_FAULTS)
    if set(jobs.others) != {"plan"} or jobs.cells:  # which says it better
        measuring = f"{SMALLMIX} plan {plan_options(workflow)} --measure --configuration {STUDY_ARGUMENT} || true"
        measure_here = None if OWN_ENVIRONMENTS else partial(shell, "{command}", command=measuring)
        print(brief_plan(STUDY, Path(), capacity, jobs, measure_here), flush=True)
        if jobs.cells and capacity.on_gpus and not OWN_ENVIRONMENTS:
            shell("{SMALLMIX} plan --check-gpus")


rule resolve_study:
    """Write the resolved configuration, every default filled in: what all later steps and readers go by."""
    output:
        study=STUDY_FILE,
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
