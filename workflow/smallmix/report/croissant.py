"""croissant.json: what the subsets of a study are, for programs that load data sets (Croissant 1.0, MLCommons).

A subset is a CSV file with one row per training image: its row in the data set's arrays, its label and its class. The
images themselves are named, cited and hashed, and are not passed on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smallmix.report.citation import Citation, run_times
from smallmix.study.layout import Layout
from smallmix.study.study import Study
from smallmix.tables.columns import SUBSET
from smallmix.tables.study_tables import StudyTables
from smallmix.wording import count_of, visible_text

CROISSANT_FILE = "croissant.json"
CHECKSUM = "sha256 of "  # before the name of a file of the data set
CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
# The context that Croissant 1.0 prescribes.
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",  # of later examples; the library of MLCommons misses it otherwise
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
DATA_TYPES = {"int": "sc:Integer", "float": "sc:Float", "text": "sc:Text"}
SUBSETS_KEPT = 150_000  # bytes, all subsets together
LONGEST_TEXT = 2_000  # characters of what a data set says of itself


def subset_places(study: Study) -> dict[str, tuple[int, int | None]]:
    """Return size and seed of each subset by its file, subsets/n100-seed0.csv; seed None where all seeds share it."""
    layout = Layout(study)
    return {
        layout.subset_of(size, seed).relative_to(layout.results).as_posix(): (
            size,
            seed if study.redraws_subsets else None,
        )
        for size in sorted(study.sizes)
        for seed in study.seeds
    }


def choose_subsets(subsets: Mapping[str, bytes], limit: int = SUBSETS_KEPT) -> dict[str, bytes]:
    """Return the first subsets, the smallest sizes, that together have at most `limit` bytes."""
    chosen: dict[str, bytes] = {}
    for name, content in subsets.items():
        if sum(map(len, chosen.values())) + len(content) > limit:
            break
        chosen[name] = content
    return chosen


def describe_subsets(tables: StudyTables, subsets: Mapping[str, bytes], citation: Citation) -> str:
    """Return croissant.json as text. `subsets` are the files that lie beside it, by name."""
    study = tables.study
    places = subset_places(study)
    times = run_times(tables.provenance)
    left_out = sorted({places[name][0] for name in places if name not in subsets})
    more = (
        f" Not kept for their size: {', '.join(f'{size:,}' for size in left_out)} images. The study writes them again."
        if left_out
        else ""
    )
    value: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": f"smallmix-{study.name}-subsets",
        "description": (
            f"The training subsets of the study {study.name}: {count_of(len(subsets), 'list')} of rows of the data set "
            f"{visible_text(tables.dataset_title)}, by the rule {study.configuration['subsets']['rule']}. Images are "
            f"not part of it.{more}"
        ),
        "license": citation.licence_address,
        "version": (tables.versions_of("smallmix") or ["0.0.0"])[-1],
        "citeAs": f"smallmix, study {study.name}",
        "isBasedOn": _source(tables),
        "distribution": [_file(name, content) for name, content in subsets.items()],
        "recordSet": [_records(name, *places[name]) for name in subsets],
    }
    if citation.authors:
        value["creator"] = [
            {"@type": "sc:Person" if name in citation.persons else "sc:Organization", "name": name}
            for name in citation.authors
        ]
    if times is not None:
        value["datePublished"] = (times.ended or times.started)[:10]
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def kept_checksums(folder: Path) -> dict[str, str]:
    """Return the sha256 of the images' files by their names, as croissant.json of a kept study has them.

    Empty where there is no such file, or none that can be read.
    """
    try:
        described = json.loads((folder / CROISSANT_FILE).read_text(encoding="utf-8"))["isBasedOn"]
        facts = {str(one["name"]): str(one["value"]) for one in described["additionalProperty"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {name.removeprefix(CHECKSUM): value for name, value in facts.items() if name.startswith(CHECKSUM)}


def _source(tables: StudyTables) -> dict[str, Any]:
    """Describe the data set that the subsets are rows of."""
    dataset = tables.dataset
    if dataset is None:
        return {"@type": "sc:Dataset", "name": tables.study.dataset}
    hashes = [
        {"@type": "sc:PropertyValue", "name": f"{CHECKSUM}{file}", "value": checksum}
        for file, checksum in sorted(dataset.checksums.items())
    ]
    facts = [
        {"@type": "sc:PropertyValue", "name": key, "value": visible_text(text, LONGEST_TEXT)}
        for key, text in sorted(dataset.source.items())
    ]
    described: dict[str, Any] = {
        "@type": "sc:Dataset",
        "name": visible_text(dataset.title),
        "identifier": dataset.identifier,
        "description": f"{dataset.train_count:,} training and {dataset.test_count:,} test images, "
        f"{' x '.join(map(str, dataset.image_shape))}.",
        "additionalProperty": [*facts, *hashes],
    }
    if "origin" in dataset.source:
        described["citation"] = visible_text(dataset.source["origin"], LONGEST_TEXT)
    return described


def _file(name: str, content: bytes) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{len(content)} B",
        "encodingFormat": "text/csv",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _records(name: str, size: int, seed: int | None) -> dict[str, Any]:
    identifier = name.removeprefix("subsets/").removesuffix(".csv")
    of_seed = "" if seed is None else f" of seed {seed}"
    return {
        "@type": "cr:RecordSet",
        "@id": identifier,
        "name": identifier,
        "description": f"The {size:,} training images{of_seed}, in the order of the training.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{identifier}/{column.name}",
                "name": column.name,
                "description": column.meaning,
                "dataType": DATA_TYPES[column.dtype],
                "source": {"fileObject": {"@id": name}, "extract": {"column": column.name}},
            }
            for column in SUBSET.columns
        ],
    }
