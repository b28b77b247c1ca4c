"""Holds the run crate and the Croissant metadata of a kept study to their validators, which need no network here."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import requests
from smallmix.atomic_files import write_bytes
from smallmix.errors import SmallmixError
from smallmix.report.citation import Citation, read_citation, run_times
from smallmix.report.croissant import choose_subsets
from smallmix.report.kept_results import kept_files
from smallmix.tables.collect import collect
from smallmix.tables.collected_tables import write_provenance

from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import build_study_with_tables, tables_of

COMMAND = "snakemake --cores all --configfile /home/somebody/secret/own.yaml"
ALONG = {"own.yaml": b"study: own\n", "mine/sides.py": b"class Sides:\n    half = 1\n"}


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    """A finished study, each seed with subsets of its own."""
    return build_study_with_tables(
        tmp_path_factory.mktemp("kept"), sizes=[100, 50], seeds=[0, 1], rule="random", redraw_per_seed=True
    )


def files_of(made: SyntheticStudy) -> dict[str, bytes]:
    figures = made.layout.report / "figures"
    return kept_files(tables_of(made), made.layout.results, figures, COMMAND, ALONG)


@pytest.fixture(scope="module")
def folder(redrawn: SyntheticStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("folder")
    for name, content in files_of(redrawn).items():
        write_bytes(place / name, content)
    return place


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """No connection leaves this process; what was tried is listed."""
    tried: list[Any] = []

    def refuse(_: socket.socket, address: Any) -> None:
        tried.append(address)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


def crate_of(folder: Path) -> dict[str, dict[str, Any]]:
    graph = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    assert len({one["@id"] for one in graph}) == len(graph)
    return {one["@id"]: one for one in graph}


def test_the_validator_finds_no_issue_in_the_run_crate(
    folder: Path, offline: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    validator = pytest.importorskip("rocrate_validator.services")
    import rocrate
    from rocrate_validator.models import Severity, ValidationSettings
    from rocrate_validator.utils import http

    # The library brings the context of a later RO-Crate. In 1.1 the terms of Bioschemas had other addresses.
    context = json.loads((Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text(encoding="utf-8"))
    bioschemas = "https://bioschemas.org/"
    context["@context"] |= {name: bioschemas + name for name in ("ComputationalWorkflow", "FormalParameter")}
    context["@context"] |= {name: f"{bioschemas}ComputationalWorkflow#{name}" for name in ("input", "output")}

    def answer(_: http.HttpRequester, address: str, **__: Any) -> requests.Response:
        assert address == "https://w3id.org/ro/crate/1.1/context"
        response = requests.Response()
        response.status_code, response.headers["Content-Type"] = 200, "application/ld+json"
        response._content = json.dumps(context).encode()
        return response

    monkeypatch.setattr(http.HttpRequester, "get", answer, raising=False)
    result = validator.validate(
        ValidationSettings(
            rocrate_uri=str(folder),
            profile_identifier="workflow-run-crate-0.5",
            requirement_severity=Severity.REQUIRED,
            cache_path=tmp_path / "cache",
            offline=True,
        )
    )
    assert [str(issue.message)[:400] for issue in result.get_issues()] == []
    assert result.passed()
    assert offline == []


def test_the_crate_names_the_files_that_are_there(folder: Path) -> None:
    crate = crate_of(folder)
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    parts = {one["@id"] for one in crate["./"]["hasPart"]}
    assert parts == present - {"ro-crate-metadata.json"}
    for name in parts:
        content = (folder / name).read_bytes()
        assert crate[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert crate[name]["contentSize"] == str(len(content))


def test_the_crate_says_what_ran_on_what(folder: Path, redrawn: SyntheticStudy) -> None:
    crate = crate_of(folder)
    action = crate["#run"]
    assert (action["startTime"], action["endTime"]) == ("2026-01-02T03:04:05Z", "2026-01-02T03:04:17Z")
    assert "agent" not in action
    objects = {one["@id"] for one in action["object"]}
    assert {"study.json", *ALONG, "#images", "#configuration/recipe.momentum"} <= objects
    assert not {one["@id"] for one in action["result"]} & ALONG.keys(), "what a run was given is no result of it"
    assert crate["mine/sides.py"]["encodingFormat"] == "text/x-python"
    assert crate["#configuration/recipe.momentum"]["value"] == "0.9"
    assert {"metrics.csv", "report.html", "subsets/n50-seed1.csv"} <= {one["@id"] for one in action["result"]}
    assert crate["#torch-2.14.1"]["softwareVersion"] == "2.14.1"
    assert crate["./"]["license"] == {"@id": "https://spdx.org/licenses/MIT.html"}
    assert crate["Snakefile"]["author"] == [{"@id": "#author-1"}]
    assert crate["#author-1"]["name"] == "the smallmix maintainers"


@pytest.mark.parametrize(
    ("source", "version"),
    [
        ({"version": "0.4.0", "commit": "c0ffee", "modified": False}, "c0ffee"),
        ({"version": "0.4.0", "commit": "c0ffee", "modified": True}, "c0ffee, with uncommitted changes"),
        ({"version": "0.4.0"}, None),
    ],
)
def test_the_commit_is_named_where_it_is_on_record(
    redrawn: SyntheticStudy, source: dict[str, str | bool], version: str | None
) -> None:
    """As collection records it, by the function that does."""
    path = redrawn.layout.results / "provenance.json"
    before = path.read_text(encoding="utf-8")
    try:
        write_provenance(collect(redrawn.study, redrawn.layout), path, source)
        graph = json.loads(files_of(redrawn)["ro-crate-metadata.json"])["@graph"]
    finally:
        path.write_text(before, encoding="utf-8")
    (workflow,) = [one for one in graph if one["@id"] == "Snakefile"]
    assert workflow.get("version") == version


def test_croissant_is_valid_and_its_records_read_back(
    folder: Path, offline: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CROISSANT_CACHE", str(tmp_path))
    croissant = pytest.importorskip("mlcroissant")
    dataset = croissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert list(dataset.metadata.ctx.issues.errors) == []
    assert list(dataset.metadata.ctx.issues.warnings) == []
    names = {record_set.uuid for record_set in dataset.metadata.record_sets}
    assert names == {"n50-seed0", "n50-seed1", "n100-seed0", "n100-seed1"}
    records = list(dataset.records("n50-seed1"))
    lines = (folder / "subsets" / "n50-seed1.csv").read_text(encoding="utf-8").splitlines()[1:]
    read = [
        f"{record['n50-seed1/row']},{record['n50-seed1/label']},{record['n50-seed1/class'].decode()}"
        for record in records
    ]
    assert read == lines
    assert len(read) == 50
    assert offline == []


def test_the_source_is_named_and_hashed(folder: Path, redrawn: SyntheticStudy) -> None:
    value = json.loads((folder / "croissant.json").read_text(encoding="utf-8"))
    facts = {one["name"]: one["value"] for one in value["isBasedOn"]["additionalProperty"]}
    description = json.loads((redrawn.layout.dataset / "dataset.json").read_text(encoding="utf-8"))
    assert facts["sha256 of train_images.npy"] == description["checksums"]["train_images.npy"]
    assert facts["generator"] == "tests/synthetic_study.py"
    assert value["isBasedOn"]["name"] == "Synthetic images"


def test_equal_results_give_equal_bytes_and_no_path_of_the_machine(redrawn: SyntheticStudy) -> None:
    files = files_of(redrawn)
    assert files == files_of(redrawn)
    for name in ("ro-crate-metadata.json", "croissant.json"):
        text = files[name].decode()
        for place in (str(redrawn.root), str(Path.home()), str(Path.cwd()), "/home/", "/tmp/"):
            assert place not in text, name
    assert "--configfile own.yaml" in files["ro-crate-metadata.json"].decode()


def test_images_of_the_user_leave_no_path(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, images=True, dataset="image-list", sizes=[100], seeds=[0])
    made.study.configuration["dataset"]["image-list"]["folder"] = "/data/of/somebody"
    text = files_of(made)["ro-crate-metadata.json"].decode()
    assert "/data/of/somebody" not in text
    assert "#configuration/dataset.image-list.identifier" in text


def test_large_subsets_are_left_out_smallest_first() -> None:
    subsets = {"a": b"1" * 60, "b": b"1" * 40, "c": b"1"}
    assert list(choose_subsets(subsets, 100)) == ["a", "b"]
    assert list(choose_subsets(subsets, 99)) == ["a"]


def test_the_end_is_not_claimed_where_an_interruption_hides_it() -> None:
    timing = {"started": "2026-01-02T23:59:59Z", "total_seconds": 2.0, "runs": 1}
    whole = {"environments": [{"timing": {"a": timing, "b": {**timing, "started": "2026-01-01T00:00:00Z"}}}]}
    found = run_times(whole)
    assert found is not None
    assert (found.started, found.ended) == ("2026-01-01T00:00:00Z", "2026-01-03T00:00:01Z")
    resumed = run_times({"environments": [{"timing": {"a": {**timing, "runs": 2}}}]})
    assert resumed is not None
    assert resumed.ended is None
    recorded = run_times(
        {"environments": [{"timing": {"a": {**timing, "runs": 2, "finished": "2026-01-05T01:02:03Z"}}}]}
    )
    assert recorded is not None
    assert recorded.ended == "2026-01-05T01:02:03Z"
    assert run_times({}) is None


def test_citations(tmp_path: Path) -> None:
    assert read_citation(tmp_path) == Citation()
    path = tmp_path / "CITATION.cff"
    path.write_text(
        "license: BSD-3-Clause\nauthors:\n- {family-names: Doe, given-names: Jo}\n- {name: A group}\n", "utf-8"
    )
    found = read_citation(tmp_path)
    assert found == Citation(("Jo Doe", "A group"), frozenset({"Jo Doe"}), "BSD-3-Clause")
    path.write_text("authors: [{nickname: x}]\n", encoding="utf-8")
    with pytest.raises(SmallmixError, match=r"cannot read .*CITATION\.cff"):
        read_citation(tmp_path)
