"""A kept configuration finds the user's code in the kept folder, wherever that lay before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from smallmix.atomic_files import write_bytes
from smallmix.errors import SmallmixError
from smallmix.project_files import PROJECT
from smallmix.report.kept_configuration import KeptConfiguration, keep_configuration
from smallmix.study.configuration import load_study
from smallmix.study.layout import Layout
from smallmix.study.study import Study

STUDY = """\
study: mine
dataset: {name: digits}
subsets: {sizes: [20]}
budgets: {default: {iterations: 4}, 500: ~, 250: ~, 100: ~}
recipe: {augmentation: {crop_padding: 1}}
published: ~
"""
CODE = "class Mine:\n    number = {}\n"
METHOD = "methods:\n  own: {{mix: {}:Mine}}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, where everything is typed from now on."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(files: Mapping[str | Path, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")


def keep(*overlays: str) -> tuple[Study, KeptConfiguration]:
    """Return a study and what is kept of it, in the folder kept."""
    files = [PROJECT / "config.yaml", *map(Path, overlays)]
    study = load_study(files)
    return study, keep_configuration(files, Layout(study), Path("kept"))


def read_again(kept: KeptConfiguration, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Return the study of the kept files alone, on another machine as it were."""
    for name, content in kept.files.items():
        write_bytes(elsewhere / "kept" / name, content)
    monkeypatch.chdir(elsewhere)
    return load_study([PROJECT / "config.yaml", *kept.overlays])


@pytest.mark.parametrize(
    ("overlay", "written", "lies", "kept_as"),
    [
        ("mine.yaml", "my_method.py", "my_method.py", "my_method.py"),
        ("mine.yaml", "code/my_method.py", "code/my_method.py", "code/my_method.py"),
        ("mine.yaml", "./code/../my_method.py", "my_method.py", "my_method.py"),
        ("studies/mine.yaml", "my_method.py", "studies/my_method.py", "my_method.py"),
        ("studies/mine.yaml", "../code/my_method.py", "code/my_method.py", "own_code/my_method.py"),
        ("studies/mine.yaml", "code/my_method.py", "code/my_method.py", "code/my_method.py"),  # seen from here
        ("workflow/studies/mine.yaml", "my_method.py", "workflow/studies/my_method.py", "my_method.py"),
    ],
)
def test_the_kept_copy_finds_the_code_beside_it(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overlay: str, written: str, lies: str, kept_as: str
) -> None:
    write({overlay: STUDY + METHOD.format(written), "code/other.py": "", lies: CODE.format(1)})
    study, kept = keep(overlay)
    assert kept.files.keys() == {"mine.yaml", kept_as}
    assert kept.overlays == [Path("kept/mine.yaml")]
    if written == kept_as:
        assert kept.files["mine.yaml"] == Path(overlay).read_bytes()
    again = read_again(kept, tmp_path / "elsewhere", monkeypatch)
    assert again.own_code == (f"kept/{kept_as}",)
    assert [cell.value for cell in again.cells] == [cell.value for cell in study.cells]


def test_an_absolute_path_is_found_in_the_folder(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = tmp_path / "far" / "my_method.py"
    text = STUDY + METHOD.format(f"'{far}").replace(":Mine", ":Mine'")
    write({"mine.yaml": f"# /prefix{far}:Mine\n{text}", far: CODE.format(1)})
    _, kept = keep("mine.yaml")
    assert f"/prefix{far}:Mine" in kept.files["mine.yaml"].decode(), "the end of another path is left alone"
    far.unlink()
    assert read_again(kept, tmp_path / "elsewhere", monkeypatch).own_code == ("kept/own_code/my_method.py",)


def test_files_of_one_name_in_different_folders_are_both_kept(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second configuration file leaves the first one's method, whose file has the name of its own metric's."""
    first = STUDY + METHOD.format("mine.py")
    second = "study: mine\nmethods: {own: ~}\nmetrics: {own-metric: 'mine.py:Mine'}\n"
    write({"a/mine.yaml": first, "a/mine.py": CODE.format(1), "b/mine.yaml": second, "b/mine.py": CODE.format(2)})
    study, kept = keep("a/mine.yaml", "b/mine.yaml")
    assert kept.files.keys() == {"mine.yaml", "b/mine.yaml", "b/mine.py"}
    assert kept.files["b/mine.py"].decode() == CODE.format(2)
    assert study.metric_files == ("b/mine.py",)
    again = read_again(kept, tmp_path / "elsewhere", monkeypatch)
    assert again.metric_files == ("kept/b/mine.py",)
    assert again.methods == study.methods


def test_two_files_at_one_place_are_refused() -> None:
    kept = KeptConfiguration()
    kept.add("mine.py", b"1")
    kept.add("mine.py", b"1")
    with pytest.raises(SmallmixError, match=r"two different files .* kept as mine\.py\. Rename one of them"):
        kept.add("mine.py", b"2")


def test_the_code_is_kept_as_the_cells_were_trained_by_it(project: Path) -> None:
    write({"mine.yaml": STUDY + METHOD.format("mine.py"), "mine.py": CODE.format(1)})
    write({"results/mine/own_code/mine.py": "# As it was tried.\n" + CODE.format(1)})
    assert keep("mine.yaml")[1].files["mine.py"].startswith(b"# As it was tried.")


def test_studies_that_the_project_brings_are_not_copied(project: Path) -> None:
    write({"workflow/studies/mine.yaml": STUDY})
    _, kept = keep("workflow/studies/mine.yaml")
    assert kept.files == {}
    assert kept.overlays == [Path("workflow/studies/mine.yaml")]


def test_a_path_that_is_written_with_escapes_is_refused_with_a_remedy(project: Path) -> None:
    text = STUDY + METHOD.format('"../project/\\x6dine.py').replace(":Mine", ':Mine"')
    write({"mine.yaml": text, "mine.py": CODE.format(1)})
    with pytest.raises(SmallmixError, match=r"mine\.yaml names \.\./project/mine\.py.*relative to the configuration"):
        keep("mine.yaml")
