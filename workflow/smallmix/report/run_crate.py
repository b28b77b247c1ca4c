"""ro-crate-metadata.json: a kept study as a Workflow Run Crate 0.5 (RO-Crate 1.1), which archives and tools read.

It names the workflow, the run with its times, configuration and versions, and every file with size and sha256. The
same results give the same bytes: identifiers are names, and the only dates are those on record. Who ran the study is
not on record, so that the run has no agent. The authors of the program are those of CITATION.cff.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path, PurePath
from typing import Any

from smallmix.report.citation import Citation, run_times
from smallmix.report.croissant import CROISSANT_FILE
from smallmix.report.unchanged_files import unchanged_files
from smallmix.tables.columns import VALIDATION
from smallmix.tables.origin_differences import flat_configuration
from smallmix.tables.study_tables import StudyTables
from smallmix.wording import visible_text

CRATE_FILE = "ro-crate-metadata.json"
WORKFLOW_FILE = "Snakefile"
PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
# Of the terms of the Workflow Run Crate, those that RO-Crate 1.1 lacks.
EXTRA_TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
CONFIGURATION = "study.json"
PAGE = "report.html"
RESULTS = (
    *("metrics.csv", "history.csv", "summary.csv", "comparison.csv", "claims.csv", "subset_table.csv"),
    *("subset_scatter.csv", "per_class.csv", "class_summary.csv", "class_balance.csv"),
    *("own_metrics.csv", "own_metric_summary.csv"),
    *(PAGE, "provenance.json"),
)
DESCRIPTIONS = {
    WORKFLOW_FILE: "The entry of the workflow. Its rules and the package lie in the repository of smallmix.",
    CONFIGURATION: "The resolved configuration of the study.",
    "metrics.csv": "One row per training.",
    "history.csv": "The evaluations of every training, thinned.",
    "summary.csv": "Means over seeds with intervals.",
    "comparison.csv": "Paired differences between methods, with intervals and tests.",
    "claims.csv": "Published claims and numbers, what was found, and the verdict.",
    "per_class.csv": "The accuracy of every training on each class.",
    "class_summary.csv": "Means over seeds of the accuracy on each class, and differences from the reference method.",
    "class_balance.csv": "How the accuracy on a class goes with its number of training images.",
    "subset_scatter.csv": "How much of the scatter over seeds is the subset's, where a second study tells.",
    "own_metrics.csv": "Further metrics of every training.",
    "own_metric_summary.csv": "Means over seeds of these metrics, and differences from the reference method.",
    "subset_table.csv": "The smallest and the largest class of every subset.",
    "provenance.json": "Machines, versions and times.",
    PAGE: "The report.",
    "README.md": "What was run, on what, and what came out.",
    "MODEL_CARD.md": "The model card of the trained networks.",
    CROISSANT_FILE: "Croissant metadata of the subsets.",
    VALIDATION.file: "The validation images, which no subset uses.",
}
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".html": "text/html",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".py": "text/x-python",
}
SOFTWARE = {"smallmix": "smallmix", "torch": "PyTorch", "numpy": "NumPy", "python": "Python"}
LONGEST_VALUE = 500  # characters


def describe_run(
    tables: StudyTables, files: Mapping[str, bytes], command: str, citation: Citation, along: Collection[str] = ()
) -> str:
    """Return ro-crate-metadata.json as text. `files` are all files of the folder, by name, with the workflow's.

    `along` are the names of configuration files and of the user's code among them: what the run was given.
    """
    from rocrate.model import ContextEntity
    from rocrate.rocrate import ROCrate

    study = tables.study
    times = run_times(tables.provenance)
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms.update(EXTRA_TERMS)

    def entity(identifier: str, kind: str | list[str], **properties: Any) -> Any:
        return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **properties}))

    root = crate.root_dataset
    root["name"] = f"{visible_text(study.title)} (smallmix, study {study.name})"
    description = str(study.configuration["description"]).strip()
    root["description"] = visible_text(description, LONGEST_VALUE) or f"The results of the study {study.name}."
    # RO-Crate demands a date, and today's would make other bytes of the same results.
    root["datePublished"] = (times.ended or times.started)[:10] if times else "1970-01-01"
    root["license"] = entity(
        citation.licence_address, "CreativeWork", name=f"{citation.licence} licence", description="Of smallmix."
    )
    root["conformsTo"] = [
        entity(address, "CreativeWork", name=name, version=version) for address, name, version in PROFILES
    ]
    workflow = crate.add_workflow(
        dest_path=WORKFLOW_FILE, main=True, lang="snakemake", properties={"name": f"smallmix, study {study.name}"}
    )
    parts = {
        name: crate.add_file(dest_path=name, properties=_media(name)) for name in sorted(files) if name != WORKFLOW_FILE
    }
    for name, part in {**parts, WORKFLOW_FILE: workflow}.items():
        part["contentSize"] = str(len(files[name]))
        part["sha256"] = hashlib.sha256(files[name]).hexdigest()
        part["description"] = DESCRIPTIONS.get(name, _other_description(name))
    authors = [
        entity(f"#author-{number}", "Person" if name in citation.persons else "Organization", name=name)
        for number, name in enumerate(citation.authors, start=1)
    ]
    if authors:
        workflow["author"] = authors
    workflow["license"] = root["license"]
    if commit := _commit(tables):
        workflow["version"] = commit
    workflow["softwareRequirements"] = [
        entity(f"#{key}-{version}", "SoftwareApplication", name=SOFTWARE[key], softwareVersion=version, version=version)
        for key, version in _versions(tables)
    ]
    for way, name, file in (("input", "configuration", CONFIGURATION), ("output", "report", PAGE)):
        parameter = entity(
            f"#parameter-{name}", "FormalParameter", name=name, additionalType="File", workExample=parts[file]
        )
        parameter["conformsTo"] = {"@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"}
        workflow[way] = [parameter]
        parts[file]["exampleOfWork"] = parameter
    settings = [
        entity(f"#configuration/{key}", "PropertyValue", name=key, value=value)
        for key, value in flat_configuration(study)
        if not _is_path(value)
    ]
    action = crate.add_action(
        workflow,
        identifier="#run",
        object=[parts[CONFIGURATION], *(parts[name] for name in sorted(along)), _dataset(tables, entity), *settings],
        result=[parts[name] for name in RESULTS if name in parts]
        + [parts[name] for name in parts if "/" in name and name not in along],
        properties={
            "name": f"Run of the study {study.name}",
            "description": f"`{visible_text(_without_places(command), LONGEST_VALUE)}`",
            "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
        },
    )
    if times is not None:
        action["startTime"] = times.started
        if times.ended is not None:
            action["endTime"] = times.ended
    root["mentions"] = [action]
    return json.dumps(_ordered(crate.metadata.generate()), indent=1, ensure_ascii=False) + "\n"


def kept_before(folder: Path, study: str) -> list[str]:
    """Return the names of the files that an earlier `keep` of the same study wrote into `folder`, sorted.

    Those are the files that its ro-crate-metadata.json lists with the checksum that they still have. Trained networks
    are left out: a folder may have the only copy. Empty where the folder has another study or no such list.
    """
    try:
        if json.loads((folder / CONFIGURATION).read_text(encoding="utf-8"))["study"] != study:
            return []
        graph = json.loads((folder / CRATE_FILE).read_text(encoding="utf-8"))["@graph"]
        checksums = {str(one["@id"]): str(one["sha256"]) for one in graph if "sha256" in one}
        return [name for name in unchanged_files(folder, checksums) if not name.startswith("networks/")]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _media(name: str) -> dict[str, str]:
    suffix = "." + name.rpartition(".")[2]
    return {"name": name, **({"encodingFormat": MEDIA_TYPES[suffix]} if suffix in MEDIA_TYPES else {})}


def _other_description(name: str) -> str:
    if name.startswith("networks/"):
        return "The trained network of one cell, in the format safetensors."
    if name.endswith(".py"):
        return "Code of the study's own: methods, a network or a metric."
    return "The training images of one subset." if name.startswith("subsets/") else "A configuration file of the study."


def _dataset(tables: StudyTables, entity: Any) -> Any:
    """Describe the images, which the crate does not hold."""
    known = tables.dataset
    checksums = {} if known is None else known.checksums
    hashes = [
        entity(f"#images/{file}", "PropertyValue", name=f"sha256 of {file}", value=checksum)
        for file, checksum in sorted(checksums.items())
    ]
    source = {} if known is None else known.source
    described = "; ".join(f"{key}: {text}" for key, text in sorted(source.items()))
    properties = {"name": visible_text(tables.dataset_title), "additionalProperty": hashes}
    if described:
        properties["description"] = visible_text(described, LONGEST_VALUE)
    return entity("#images", "Dataset", **properties)


def _versions(tables: StudyTables) -> list[tuple[str, str]]:
    """Return each (software, version) that trained a cell, once."""
    return [(key, version) for key in sorted(SOFTWARE) for version in tables.versions_of(key)]


def _commit(tables: StudyTables) -> str | None:
    """Return the commit of the code that collected the tables; None where it is not on record."""
    source: dict[str, Any] = tables.provenance.get("collected_by", {})
    if "commit" not in source:
        return None
    return f"{source['commit']}{', with uncommitted changes' if source.get('modified') else ''}"


def _is_path(value: str) -> bool:
    """Return whether a setting names a place of the machine that ran the study."""
    return value.startswith(("/", "~", "./", "../", "[/", "file:"))


def _without_places(command: str) -> str:
    """Return the call with the names of its files alone, where a path begins at the root of the machine."""
    return " ".join(PurePath(word).name if _is_path(word) else word for word in command.split())


def _ordered(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the crate in an order of its own: the descriptor, the root, then by identifier."""
    first = {CRATE_FILE: 0, "./": 1}
    graph = sorted(metadata["@graph"], key=lambda one: (first.get(one["@id"], 2), one["@id"]))
    return {"@context": metadata["@context"], "@graph": [dict(sorted(one.items())) for one in graph]}
