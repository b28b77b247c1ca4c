"""`smallmix run` only calls Snakemake: with which words."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from smallmix.commands.run import snakemake_command
from smallmix.errors import ConfigurationError
from smallmix.project_files import PROJECT
from smallmix.study.targets import TARGETS

START = [sys.executable, "-P", "-m", "snakemake"]
DEMO = str(PROJECT / "workflow" / "studies" / "demo.yaml")
ALL = "--cores all"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a folder with one study of the user's own."""
    (tmp_path / "my study.yaml").write_text("study: mine\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "targets", "options"),
    [
        ("", [], ALL),
        ("demo", [], f"{ALL} --configfile {DEMO}"),
        ("'my study'", [], f"{ALL} --configfile 'my study.yaml'"),
        ("demo 'my study.yaml'", [], f"{ALL} --configfile {DEMO} 'my study.yaml'"),
        ("demo report -n", ["report"], f"{ALL} --configfile {DEMO} -n"),
        ("figures demo --cores 4 -n", ["figures"], f"--configfile {DEMO} --cores 4 -n"),
        ("demo results/demo/summary.csv", ["results/demo/summary.csv"], f"{ALL} --configfile {DEMO}"),
        ("demo -c1", [], f"--configfile {DEMO} -c1"),
        ("demo -j 2", [], f"--configfile {DEMO} -j 2"),
        ("demo --jobs=2", [], f"--configfile {DEMO} --jobs=2"),
        ("demo --workflow-profile slurm", [], f"--configfile {DEMO} --workflow-profile slurm"),
        ("demo --executor slurm", [], f"--configfile {DEMO} --executor slurm"),
        ("demo --config seeds=[0] --nolock", [], f"{ALL} --configfile {DEMO} --config seeds=[0] --nolock"),
        ("--config-anything x", [], f"{ALL} --config-anything x"),
        ("article", [], ALL),
    ],
)
def test_the_call_of_snakemake(typed: str, targets: list[str], options: str) -> None:
    expected = [*START, *targets, "--snakefile", str(PROJECT / "Snakefile"), *shlex.split(options)]
    assert snakemake_command(shlex.split(typed)) == expected


@pytest.mark.parametrize("result", ["results/demo/cells/n20/non/seed0/metrics.json", "reports/demo/report.html"])
def test_a_result_that_is_there_already_is_a_target_and_no_study(result: str, folder: Path) -> None:
    (folder / result).parent.mkdir(parents=True)
    (folder / result).write_text("{}", encoding="utf-8")
    expected = [*START, result, "--snakefile", str(PROJECT / "Snakefile"), *ALL.split(), "--configfile", DEMO]
    assert snakemake_command(["demo", result]) == expected


def test_a_kept_studys_configuration_is_a_study(folder: Path) -> None:
    kept = folder / "reports" / "reference" / "mine" / "config.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("study: mine\n", encoding="utf-8")
    assert snakemake_command([str(kept.relative_to(folder))])[-2:] == [
        "--configfile",
        "reports/reference/mine/config.yaml",
    ]


def test_the_folders_own_profile_says_how_much_may_run(folder: Path) -> None:
    profile = folder / "profiles" / "default" / "config.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text("keep-going: true\n", encoding="utf-8")
    assert "--cores" in snakemake_command(["demo"])
    profile.write_text("keep-going: true\ncores: 2\n", encoding="utf-8")
    assert "--cores" not in snakemake_command(["demo"])


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("dmo", "Did you mean demo?"),
        ("demo repor", "repor: is neither a study nor a target. Did you mean report?"),
        ("demo my-stuff", "Targets: all, plan,"),
        ("demo elsewhere/my-stuff.yaml", "there is no such file"),
        ("--cores 4 demo", "Studies stand first: smallmix run demo --cores 4"),
        ("-n demo", "Studies stand first: smallmix run demo -n"),
    ],
)
def test_a_word_that_is_neither_study_nor_target_is_explained(typed: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        snakemake_command(shlex.split(typed))
    assert said in str(raised.value)


def test_a_file_that_is_no_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    """Snakemake, which reads it first, names neither."""
    slip = tmp_path / "bad.yaml"
    slip.write_text("study: bad\nseeds: [0, 1]]\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"one problem:\n  - \(\S*bad\.yaml, line 2\): not valid YAML: "):
        snakemake_command([str(slip)], tmp_path)
    for typed in (["demo", "--configfile", "bad.yaml", "-n"], ["demo", "--configfile=bad.yaml"]):
        with pytest.raises(ConfigurationError, match=r"bad\.yaml, line 2"):
            snakemake_command(typed, tmp_path)
    slip.rename(tmp_path / "config.yaml")
    with pytest.raises(ConfigurationError, match=r"config\.yaml, line 2"):
        snakemake_command(["demo", "-n"], tmp_path)


def test_a_profile_may_have_the_name_of_a_study() -> None:
    assert snakemake_command(["--profile", "demo"])[-2:] == ["--profile", "demo"]


def test_every_target_that_can_be_named_is_one_of_the_workflow() -> None:
    rules = "".join(
        path.read_text(encoding="utf-8")
        for path in (PROJECT / "Snakefile", *(PROJECT / "workflow" / "rules").glob("*.smk"))
    )
    for target in TARGETS:
        assert f"rule {target}:" in rules
