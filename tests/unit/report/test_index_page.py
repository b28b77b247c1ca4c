"""Protects the page of all studies: every study with its state, answer and scale, and links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from smallmix.commands.main import main
from smallmix.report.index_page import find_studies, scale_sentence
from smallmix.study.study import Study
from smallmix.tables import collect
from smallmix.wording import MINUS

from tests.hand_study import build_hand_study
from tests.study_outputs import write_tables
from tests.synthetic_configuration import build_configuration
from tests.synthetic_study import CODE_FINGERPRINT, build_synthetic_study
from tests.unit.report.rendered_page import Page

PROJECT = Path(__file__).resolve().parents[3]
# By hand, of best accuracies: at 100 images 26, 25.5, 26.5 minus 27, 28, 29; at 500 56.5, 56, 58.5 minus 44, 45, 46.
LABEL_MIX = (
    "label-mix came out ahead of non at 1 of the 2 training-set sizes tried "
    f"({MINUS}2.0 points with 100 images, +12.0 with 500"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a finished study, an unfinished one with a report so far, one that was only begun, a kept one."""
    monkeypatch.setattr(collect, "training_code", lambda _: CODE_FINGERPRINT)
    made = build_hand_study(tmp_path)
    write_tables(made)
    touch(made.layout.report / "report.html")
    part = build_synthetic_study(
        tmp_path, name="part", sizes=[500, 100], seeds=[0, 1], missing=["n500/non/seed1"], failed=["n100/non/seed0"]
    )
    touch(part.layout.report / "so-far" / "report.html")
    begun = Study.from_configuration(build_configuration(name="begun", title="A <begun> study", sizes=[100]))
    write(tmp_path / "results" / "begun" / "study.json", begun.to_json())
    kept = tmp_path / "reports" / "reference" / "old one"
    for name in ("metrics.csv", "comparison.csv", "summary.csv", "provenance.json"):
        write(kept / name, (made.layout.results / name).read_text(encoding="utf-8"))
    write(kept / "study.json", made.study.to_json().replace('"study":"synthetic"', '"study":"old-one"'))
    touch(kept / "report.html")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def touch(path: Path) -> None:
    write(path, "<!DOCTYPE html>")


def written(root: Path) -> str:
    assert main(["index", "--root", str(root)]) == 0
    return (root / "reports" / "index.html").read_text(encoding="utf-8")


def test_every_study_with_its_state_and_its_answer(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    html = written(project)
    assert capsys.readouterr().out == f"wrote {project / 'reports' / 'index.html'}: 3 studies run here, 1 kept\n"
    run, kept = find_studies(project)
    states = {one.name: one.status for one in run}
    assert states == {
        "synthetic": "18 of 18 runs finished",
        "part": "10 of 12 runs finished, 1 failed, 1 not begun",
        "begun": "0 of 9 runs finished, 9 not begun",
    }
    answers = {one.name: one.answer for one in (*run, *kept)}
    assert answers["synthetic"].startswith(LABEL_MIX)
    assert answers["old-one in old one"] == answers["synthetic"]
    assert answers["part"].startswith("label-mix ")
    assert answers["begun"] == "No run is finished yet, so there is no answer."
    assert [one.status for one in kept] == ["18 runs kept, started 2026-01-02"]
    text = " ".join("".join(Page(html).text).split())
    for entry in (*run, *kept):
        for shown in (entry.title, entry.scale, entry.status, entry.answer):
            assert " ".join(shown.split()) in text


def test_links_lead_to_files_and_no_further(project: Path) -> None:
    """Relative addresses of files that are there: the page is read from a disk, and fetches nothing."""
    html = written(project)
    page = Page(html)
    assert (page.unbalanced, page.open, page.named("script"), page.named("link")) == ([], [], [], [])
    assert all("src" not in attributes for _, attributes in page.elements)
    links = [one["href"] for one in page.named("a") if not one["href"].startswith("#")]
    assert sorted(links) == ["part/so-far/report.html", "reference/old%20one/report.html", "synthetic/report.html"]
    for link in links:
        address = urlsplit(link)
        assert not address.scheme
        assert not address.netloc
        assert (project / "reports" / unquote(address.path)).is_file()
    anchors = {one["id"] for _, one in page.elements if "id" in one}
    assert {one["href"][1:] for one in page.named("a") if one["href"].startswith("#")} <= anchors
    assert "A &lt;begun&gt; study" in html


def test_a_study_that_cannot_be_read_leaves_the_others(project: Path) -> None:
    write(project / "results" / "broken" / "study.json", "{")
    write(project / "reports" / "reference" / "old one" / "metrics.csv", "size\n")
    run, kept = find_studies(project)
    problems = {one.name: one.problem for one in (*run, *kept) if one.problem}
    assert set(problems) == {"broken", "old one"}
    assert "cannot read the study in" in problems["broken"]
    assert "the columns method, seed are missing" in problems["old one"]
    assert len(run) == 4
    html = written(project)
    assert "cannot read the study in" in html
    assert LABEL_MIX in " ".join("".join(Page(html).text).split())


def test_equal_files_give_equal_bytes(project: Path) -> None:
    assert written(project) == written(project)


def test_nothing_there_yet(tmp_path: Path) -> None:
    html = written(tmp_path)
    assert "No study was run here yet." in html
    assert "Kept" not in html


def test_results_of_older_code_are_called_outdated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "training_code", lambda _: "f" * 16)
    build_synthetic_study(tmp_path, name="old", sizes=[100], seeds=[0])
    (entry,), _ = find_studies(tmp_path)
    assert entry.status == "0 of 3 runs finished, 3 outdated"


def test_the_scale_in_a_line() -> None:
    """Batches of 128: 20 epochs of 500 images are 80 iterations, and of 100 images 20."""
    study = Study.from_configuration(
        build_configuration(sizes=[500, 100], seeds=[0, 1], budgets={"default": {"epochs": 20}})
    )
    assert re.fullmatch(
        r".+: 100 and 500 images; non, data-mix and label-mix; 2 seeds; "
        r"preact-resnet18 of width \d+, 20 to 80 iterations",
        scale_sentence(study),
    )
    whole = Study.from_configuration(build_configuration(sizes=[50_000, 5_000, 1_000, 500, 100], seeds=[0]))
    assert ": 5 sizes, 100 to 50,000 images; non, data-mix and label-mix; 1 seed; " in scale_sentence(whole)


def test_the_kept_studies_of_this_project_are_readable() -> None:
    """What is in version control must lead somewhere: this is what a fresh clone shows."""
    _, kept = find_studies(PROJECT)
    assert kept
    for entry in kept:
        assert not entry.problem
        assert re.search(r"\b(came|come) out\b", entry.answer)
        assert {name for name, _ in entry.links} >= {"report"}
