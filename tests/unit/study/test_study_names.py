"""Studies as people name them: nothing, a name, a file; the user's own first, and no guessing."""

from __future__ import annotations

from pathlib import Path

import pytest
from smallmix.errors import ConfigurationError
from smallmix.project_files import PROJECT
from smallmix.study.configuration import load_study
from smallmix.study.study_names import UnknownStudy, explain_shared_name, known_studies, study_files, words_for

BASE = PROJECT / "config.yaml"
DEMO = PROJECT / "workflow" / "studies" / "demo.yaml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str = "study: mine\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_is_the_base_alone(folder: Path) -> None:
    assert study_files([]) == [BASE]
    write(folder / "config.yaml")
    assert study_files([]) == [Path("config.yaml")]


def test_a_name_is_one_of_smallmixs_own_studies_where_the_folder_has_none(folder: Path) -> None:
    assert study_files(["demo"]) == [BASE, DEMO]
    assert study_files(["workflow/studies/demo.yaml"]) == [BASE, DEMO]


@pytest.mark.parametrize("place", ["workflow/studies/lap.yaml", "lap.yaml", "lap.yml", "lap.json", "lap"])
def test_a_name_is_a_file_of_the_folder(folder: Path, place: str) -> None:
    write(folder / place)
    assert study_files(["lap"]) == [BASE, Path(place)]


def test_several_are_merged_in_their_order(folder: Path) -> None:
    write(folder / "other" / "a.yaml")
    assert study_files(["demo", "other/a.yaml"]) == [BASE, DEMO, Path("other/a.yaml")]
    assert study_files(["other/a.yaml", "demo"]) == [BASE, Path("other/a.yaml"), DEMO]


def test_the_base_is_not_merged_twice_and_its_study_can_be_named(folder: Path) -> None:
    assert study_files(["article"]) == study_files([str(BASE)]) == [BASE]
    write(folder / "config.yaml")
    assert study_files(["mine"]) == study_files(["./config.yaml"]) == [Path("config.yaml")]


def test_a_users_own_study_comes_first_and_that_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "demo.yaml")
    assert study_files(["demo"]) == [BASE, Path("demo.yaml")]
    assert "demo is demo.yaml, not smallmix's own study" in capsys.readouterr().err


def test_a_copy_of_smallmixs_own_study_is_no_news(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "workflow" / "studies" / "demo.yaml", DEMO.read_text(encoding="utf-8"))
    assert study_files(["demo"]) == [BASE, Path("workflow/studies/demo.yaml")]
    assert capsys.readouterr().err == ""


def test_two_files_of_a_name_are_refused_and_both_are_said(folder: Path) -> None:
    write(folder / "workflow" / "studies" / "lap.yaml")
    write(folder / "lap.yaml")
    with pytest.raises(ConfigurationError, match=r"could be workflow/studies/lap\.yaml and lap\.yaml") as raised:
        study_files(["lap"])
    assert "Name the file" in str(raised.value)
    assert study_files(["lap.yaml"]) == [BASE, Path("lap.yaml")]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("dmo", "Did you mean demo?"),
        ("laptops", "Did you mean laptop?"),
        ("my-stud.yaml", "Did you mean my-study.yaml?"),
        ("nowhere/demo.yaml", "there is no such file"),
        ("folder", "is neither a study nor a file"),
        ("folder/", "is neither a study nor a file"),
        ("folder/inner", "is a folder"),
    ],
)
def test_an_unknown_word_gets_the_nearest_names_and_the_list(folder: Path, word: str, said: str) -> None:
    write(folder / "my-study.yaml")
    (folder / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(UnknownStudy) as raised:
        study_files([word])
    assert str(raised.value).startswith(f"{word}: ")
    assert said in str(raised.value)
    assert word == "folder/inner" or "Studies: article-bf16," in str(raised.value)


def test_a_copy_with_the_name_of_another_study_is_told_so(folder: Path) -> None:
    copy = write(folder / "my-study.yaml", "study: own-folder\n")
    said = explain_shared_name("own-folder", [BASE, copy])
    assert said is not None
    assert (
        f"`smallmix status own-folder` take that for {PROJECT / 'workflow/studies/own-folder.yaml'}. Give it a" in said
    )
    assert explain_shared_name("mine", [BASE, copy]) is None
    assert explain_shared_name("demo", [BASE, DEMO, copy]) is None
    own = write(folder / "mine.yaml")
    assert explain_shared_name("mine", [BASE, own]) is None
    assert explain_shared_name("mine", [BASE, copy]) is not None


def test_words_name_the_very_files_again(folder: Path) -> None:
    own = write(folder / "my own.yaml")
    write(folder / "workflow" / "studies" / "lap.yaml")
    for words in ([], ["demo"], ["lap"], ["my own.yaml", "demo"], [str(own)]):
        assert words_for(study_files(words)) == words


def test_words_name_a_file_that_another_one_hides(folder: Path) -> None:
    write(folder / "demo.yaml")
    assert words_for([BASE, DEMO]) == [str(DEMO)]


def test_words_name_each_of_two_files_of_a_name_by_its_path(folder: Path) -> None:
    other, beside = write(folder / "workflow" / "studies" / "lap.yaml"), write(folder / "lap.yaml")
    assert words_for([BASE, other]) == [str(other)]
    assert words_for([BASE, beside]) == [str(beside)]


def test_a_root_elsewhere_has_its_own_base_and_names(tmp_path: Path) -> None:
    write(tmp_path / "config.yaml")
    write(tmp_path / "workflow" / "studies" / "lap.yaml")
    assert study_files(["lap"], tmp_path) == [tmp_path / "config.yaml", tmp_path / "workflow/studies/lap.yaml"]
    assert "lap" in known_studies(tmp_path)


@pytest.mark.parametrize("name", known_studies(PROJECT))
def test_every_study_can_be_named(folder: Path, name: str) -> None:
    assert load_study(study_files([name])).name == name
