"""Protects `compare`: which cells count, what is said to differ, and the forms that it is written in."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from smallmix.atomic_files import output_writer
from smallmix.commands.main import main
from smallmix.tables import collect
from smallmix.tables.collected_tables import write_provenance, write_study_tables
from smallmix.tables.statistics_columns import PUBLISHED_COMPARISON
from smallmix.wording import MINUS

from tests.hand_study import build_hand_study
from tests.synthetic_study import CODE_FINGERPRINT, SyntheticStudy, build_synthetic_study
from tests.unit.report.rendered_page import Page

PLACES: dict[str, Any] = {"sizes": [500, 100], "seeds": [0, 1, 2]}


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SyntheticStudy, SyntheticStudy]:
    """Two studies of the same images; the second trains longer and lacks a cell."""
    monkeypatch.setattr(collect, "training_code", lambda _: CODE_FINGERPRINT)
    first = build_synthetic_study(tmp_path, name="short", **PLACES)
    second = build_synthetic_study(
        tmp_path,
        name="long",
        budgets={"default": {"epochs": 40}},
        generator_seed=1,
        missing=["n500/non/seed2"],
        **PLACES,
    )
    return first, second


def compare(made: SyntheticStudy, *options: str) -> int:
    return main(["compare", "short", "long", "--root", str(made.root), *options])


def test_the_terminal_gets_tables_and_what_differs(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(studies[0]) == 0
    text = capsys.readouterr().out
    assert text.startswith("long against short\n")
    assert "long: 1 of 18 cells left out, without a current result" in text
    assert "n500/non/seed2 (waiting)" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["budgets.default.epochs", "20", "40"] in lines
    (row,) = [line for line in text.splitlines() if line.split()[:2] == ["500", "non"]]
    assert "2 paired" in row
    assert "*" not in text


def test_csv_is_the_declared_table_with_the_means_of_the_cells(
    studies: tuple[SyntheticStudy, SyntheticStudy], tmp_path: Path
) -> None:
    path = tmp_path / "differences.csv"
    assert compare(studies[0], "--output", str(path), "--selection", "all") == 0
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert {row["selection"] for row in rows} == {"best", "last", "last_tenth"}
    (row,) = [
        row
        for row in rows
        if (row["size"], row["method"], row["reference"], row["selection"]) == ("100", "non", "", "last")
    ]
    accuracies = [
        [made.metrics(f"n100/non/seed{seed}")["final_test_accuracy"] for seed in range(3)] for made in studies
    ]
    assert float(row["first_mean"]) == pytest.approx(sum(accuracies[0]) / 3)
    assert float(row["difference"]) == pytest.approx(sum(accuracies[1]) / 3 - sum(accuracies[0]) / 3)
    assert (row["pairing"], row["pairs"]) == ("paired", "3")


def test_the_page_is_whole_and_loads_nothing(studies: tuple[SyntheticStudy, SyntheticStudy], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert compare(studies[0], "--output", str(path)) == 0
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert (page.unbalanced, page.open) == ([], [])
    assert page.named("script") == []
    assert all("src" not in attributes for _, attributes in page.elements)
    assert len(page.named("table")) == len(page.named("caption")) == 3  # accuracies, gains, configuration


@pytest.mark.parametrize(("form", "mark"), [("markdown", "|---:|"), ("latex", r"\toprule")])
def test_other_forms(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str], form: str, mark: str
) -> None:
    assert compare(studies[0], "--format", form) == 0
    assert mark in capsys.readouterr().out


def test_other_subsets_are_said_and_not_paired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(collect, "training_code", lambda _: CODE_FINGERPRINT)
    made = build_synthetic_study(tmp_path, name="short", **PLACES)
    build_synthetic_study(tmp_path, name="long", rule="balanced", **PLACES)
    assert compare(made) == 0
    text = capsys.readouterr().out
    # All 500 images there are in either order: only the draws of 100 differ.
    assert "100 images: 3 of 3 subsets of common seeds are other images." in text
    pairing = {
        tuple(line.split()[:2]): "unpaired" in line
        for line in text.splitlines()
        if " paired" in line or "unpaired" in line
    }
    assert (pairing["500", "non"], pairing["100", "non"], pairing["all", "non"]) == (False, True, True)


def test_a_study_against_itself_says_so(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "short", "short", "--root", str(studies[0].root)]) == 0
    text = capsys.readouterr().out
    assert "18 trainings are one and the same in both studies." in text
    assert "Nothing differs" in text


def test_other_code_and_machines_are_named(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    made = studies[1]
    for cell in made.study.cells:
        if cell.id != "n500/non/seed2":
            environment = {**made.metrics(cell.id)["environment"], "torch": "9.9.9", "precision": "bf16"}
            made.edit_metrics(cell.id, environment=environment)
    assert compare(made) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["torch", "2.14.1", "9.9.9"] in lines
    assert ["precision", "fp32", "bf16"] in lines


def keep(made: SyntheticStudy, without: Sequence[str] = ()) -> Path:
    """Keep what `smallmix keep` keeps of a study, as far as a comparison reads it, without some columns of numbers."""
    whole = collect.collect(made.study, made.layout, CODE_FINGERPRINT)
    folder = made.root / "reports" / "reference" / made.study.name
    write_study_tables(whole, folder)
    write_provenance(whole, folder / "provenance.json")
    (folder / "study.json").write_text(made.study.to_json(), encoding="utf-8")
    table = pd.read_csv(folder / "metrics.csv").drop(columns=list(without))
    table.to_csv(folder / "metrics.csv", index=False)
    return folder


def rows_of(text: str) -> dict[tuple[str, ...], list[str]]:
    """Return the fields of every line of a table by its first two."""
    fields = [line.split("  ") for line in text.splitlines()]
    return {tuple(shown[:2]): shown for line in fields if len(shown := [part.strip() for part in line if part]) > 2}


def test_a_study_and_its_past(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    """Now every cell is as it was, but for one accuracy of then, which was 3 points lower: 1 point in the mean of 3."""
    made = studies[0]
    folder = keep(made)
    table = pd.read_csv(folder / "metrics.csv")
    chosen = (table["size"] == 100) & (table["method"] == "non") & (table["seed"] == 1)
    table.loc[chosen, "best_test_accuracy"] -= 0.03
    table.to_csv(folder / "metrics.csv", index=False)
    assert main(["compare", "short", "--past", "--root", str(made.root)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("short against short (kept)\n")
    assert "No fingerprints of images are kept in short (kept)." in text
    assert "Nothing differs in configuration and images." in text
    assert "Nothing differs in code, versions and hardware." in text
    changed, same = rows_of(text)["100", "non"], rows_of(text)["500", "non"]
    assert changed[4] == "+1.00"
    assert changed[6] == "3 paired"
    assert same[4:] == ["0.00", "0.00 to 0.00", "3 paired", "equal in every seed"]
    assert main(["compare", str(folder), "short", "--root", str(made.root)]) == 0
    assert capsys.readouterr().out == text


def test_what_changed_since_a_study_was_kept(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    """Version and code are those of the record; columns that were not written then are no reason to refuse the rest."""
    made = studies[0]
    folder = keep(made, without=["last_tenth_test_accuracy", "last_tenth_readings"])
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    record["environments"][0]["environment"]["torch"] = "1.2.3"
    record["code_fingerprints"] = ["f" * 16]
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    assert main(["compare", "short", "--past", "--root", str(made.root), "--selection", "all"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["torch", "1.2.3", "2.14.1"] in lines
    assert ["training", "code", "(mix", "none)", "f" * 16, CODE_FINGERPRINT] in lines
    assert main(["compare", "short", "--past", "--root", str(made.root), "--selection", "last-tenth"]) == 1
    assert "no accuracies by last-tenth in short (kept): an older version kept them" in capsys.readouterr().err


def test_code_of_a_kept_study_differs_only_if_it_is_not_among_its_own(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    made = studies[0]
    folder = keep(made)
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    for codes, differs in (([CODE_FINGERPRINT, "a" * 16], False), (["a" * 16, "b" * 16], True)):
        (folder / "provenance.json").write_text(json.dumps({**record, "code_fingerprints": codes}), encoding="utf-8")
        assert main(["compare", "short", "--past", "--root", str(made.root)]) == 0
        assert ("training code" in capsys.readouterr().out) == differs


def test_kept_studies_of_other_images_are_not_paired(
    studies: tuple[SyntheticStudy, SyntheticStudy], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The configurations tell: other subsets are never paired, whatever the seeds are."""
    first = keep(studies[0])
    other = build_synthetic_study(tmp_path / "other", name="balanced", rule="balanced", **PLACES)
    second = keep(other)
    assert main(["compare", str(first), str(second), "--root", str(studies[0].root)]) == 0
    text = capsys.readouterr().out
    assert "100 images: 3 of 3 subsets of common seeds are other images." in text
    assert rows_of(text)["100", "non"][6] == "3 and 3, unpaired"


def test_what_cannot_be_kept_results_is_said(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    made = studies[0]
    root = ["--root", str(made.root)]
    assert main(["compare", "short", "--past", *root]) == 2
    assert "no results of short are kept" in capsys.readouterr().err
    folder = keep(made)
    table = pd.read_csv(folder / "metrics.csv")
    table.assign(seed=table["seed"] + 7).to_csv(folder / "metrics.csv", index=False)
    assert main(["compare", "short", "--past", *root]) == 1
    assert "has a row of n500/non/seed7, which is no cell of the study.json" in capsys.readouterr().err
    (folder / "provenance.json").unlink()
    assert main(["compare", "short", "--past", *root]) == 1
    assert "Restore the file from version control." in capsys.readouterr().err


def test_a_study_against_the_published_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand: non at 500 has 44, 45 and 46 (45.00 ± 2.48), published 44.60; the gain 12.00 ± 2.15, published 13.24."""
    monkeypatch.setattr(collect, "training_code", lambda _: CODE_FINGERPRINT)
    made = build_hand_study(tmp_path)
    root = ["--root", str(tmp_path)]
    assert main(["compare", "synthetic", "published", *root]) == 0
    text = capsys.readouterr().out
    assert text.startswith("synthetic against published\n")
    assert text.index("What differs from the published protocol") < text.index("Test accuracy in percent")
    assert "Without results here: 50,000, 20,000, 10,000, 5,000, 1,000 and 250 images." in text
    rows = rows_of(text)
    assert rows["500", "non"] == [
        "500", "non", "44.60", "45.00", "42.52 to 47.48", "3", "+0.40", rows["500", "non"][-1]
    ]  # fmt: skip
    assert rows["500", f"label-mix {MINUS} non"][2:7] == ["+13.24", "+12.00", "+9.85 to +14.15", "3", f"{MINUS}1.24"]
    page = tmp_path / "page.html"
    assert main(["compare", "synthetic", "published", "--output", str(page), *root]) == 0
    parsed = Page(page.read_text(encoding="utf-8"))
    assert (parsed.unbalanced, parsed.open, parsed.named("script")) == ([], [], [])
    assert [one["id"] for one in parsed.named("section")] == ["protocol", "differences"]
    capsys.readouterr()
    assert main(["compare", "synthetic", "published", "--format", "csv", *root]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    (row,) = [one for one in table if (one["size"], one["method"], one["reference"]) == ("100", "label-mix", "non")]
    # 26, 25.5, 26.5 minus 27, 28, 29: gains of -1, -2.5 and -2.5 points, mean -2; published 33.84 - 26.79 = 7.05.
    assert float(row["mean"]) == pytest.approx(-0.02)
    assert float(row["difference"]) == pytest.approx(-0.0905)
    assert list(row) == list(PUBLISHED_COMPARISON.names)
    assert made.study.name == "synthetic"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["short"], "short alone has nothing to be compared with"),
        (["short", "long", "--past"], "--past compares short with its own kept results, so long is one study too many"),
        (["short", "published", "--past"], "--past and the word published are two comparisons"),
        (["published", "short"], "published numbers stand second. Type `smallmix compare short published`."),
        (["short", "published"], "study short names no published numbers. Name a file of them under `published`"),
    ],
)
def test_words_that_make_no_comparison(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["compare", *words, "--root", str(studies[0].root)]) == 2
    assert said in capsys.readouterr().err


def test_published_numbers_are_compared_by_their_own_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(collect, "training_code", lambda _: CODE_FINGERPRINT)
    build_synthetic_study(tmp_path, name="short", published="workflow/published/article.yaml", **PLACES)
    words = ["compare", "short", "published", "--root", str(tmp_path), "--selection"]
    assert main([*words, "last"]) == 2
    assert "chosen by the rule best, so that ours are compared by no other" in capsys.readouterr().err
    assert main([*words, "best"]) == 0


def test_configuration_stands_first(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(studies[0]) == 0
    text = capsys.readouterr().out
    assert text.index("What differs in the configuration") < text.index("Test accuracy in percent")


def test_exit_codes(
    studies: tuple[SyntheticStudy, SyntheticStudy], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(studies[0].root)
    assert main(["compare", "short", "nowhere", "--root", root]) == 2
    assert "nowhere: is neither a study nor a file" in capsys.readouterr().err
    whole = collect.collect
    monkeypatch.setattr(
        collect,
        "collect",
        lambda study, layout: (
            replace(whole(study, layout), records=()) if study.name == "long" else whole(study, layout)
        ),
    )
    assert compare(studies[0]) == 1
    assert "study long has no current result" in capsys.readouterr().err


def test_a_kept_study_keeps_its_verdicts_where_its_images_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy's labels are CIFAR-10's, which the kept checksums tell."""
    project = Path(__file__).resolve().parents[3]
    shutil.copytree(project / "workflow" / "published", tmp_path / "workflow" / "published")
    kept = project / "reports" / "reference" / "article-rows"
    assert main(["compare", str(kept), "published", "--format", "csv", "--root", str(tmp_path)]) == 0
    rows = pd.read_csv(io.StringIO(capsys.readouterr().out)).to_dict("records")
    found = {f"accuracy-n{row['size']}-{row['method']}": row["verdict"] for row in rows if pd.isna(row["reference"])}
    claims = pd.read_csv(kept / "claims.csv").set_index("id")["verdict"]
    assert len(found) == 9
    assert {key: str(claims[key]) for key in found} == found


def test_an_output_may_be_a_pipe_or_a_link(studies: tuple[SyntheticStudy, SyntheticStudy], tmp_path: Path) -> None:
    """A pipe gets the text and stays a pipe. A link stays, and the file that it leads to gets the text."""
    target, link, pipe = (tmp_path / name for name in ("target.csv", "link.csv", "pipe"))
    link.symlink_to(target)
    assert compare(studies[0], "--output", str(link)) == 0
    assert link.is_symlink()
    text = target.read_text(encoding="utf-8")
    assert "difference" in text.splitlines()[0].split(",")
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    assert compare(studies[0], "--format", "csv", "--output", str(pipe)) == 0
    reader.join(timeout=60)
    assert got == [text]
    assert stat.S_ISFIFO(os.stat(pipe).st_mode)


def test_an_ending_without_a_form_is_refused(
    studies: tuple[SyntheticStudy, SyntheticStudy], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(studies[0], "--output", str(tmp_path / "page.pdf")) == 2
    assert "no form of the comparison ends in .pdf. Let " in capsys.readouterr().err
    assert not (tmp_path / "page.pdf").exists()


def test_a_file_below_the_devices_is_a_file_like_others(tmp_path: Path) -> None:
    """/dev/shm is a folder in memory: what is written there twice is there once."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        pytest.skip("this machine has no /dev/shm")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        for text in (b"first", b"second"):
            with output_writer(Path(folder) / "rows.csv") as output:
                output.write(text)
        assert (Path(folder) / "rows.csv").read_bytes() == b"second"


def test_a_log_behind_the_terminal_is_continued(tmp_path: Path) -> None:
    """`--output /dev/stdout >> log` adds to the log, and does not put another file in its place."""
    log = tmp_path / "log.txt"
    log.write_text("earlier\n", encoding="utf-8")
    with open(log, "a", encoding="utf-8") as stream:
        with output_writer(Path(f"/dev/fd/{stream.fileno()}")) as output:
            output.write(b"the table\n")
        stream.write("later\n")
    assert log.read_text(encoding="utf-8") == "earlier\nthe table\nlater\n"
