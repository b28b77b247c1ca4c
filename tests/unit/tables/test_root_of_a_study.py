"""Commands of a study find its files below the root of its study.json, where a storage plugin brings them, too."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from smallmix.commands.options import add_study, load_layout
from smallmix.study.study import Study

from tests.synthetic_configuration import build_configuration

ELSEWHERE = ".snakemake/storage/s3/bucket/first"


@pytest.mark.parametrize(
    ("file", "options", "root"),
    [
        ("results/synthetic/study.json", [], "."),
        (f"{ELSEWHERE}/results/synthetic/study.json", [], ELSEWHERE),
        (f"{ELSEWHERE}/results/synthetic/study.json", ["--root", "given"], "given"),
        ("results/synthetic/so-far/study.json", [], "."),
        ("results/another/study.json", [], "."),
        ("study.json", [], "."),
    ],
)
def test_the_root_is_what_stands_before_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, options: list[str], root: str
) -> None:
    monkeypatch.chdir(tmp_path)
    study = Study.from_configuration(build_configuration())
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(study.to_json(), encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_study(parser)
    assert load_layout(parser.parse_args(["--study", file, *options])).root == Path(root)
    if not options and root != ".":
        assert load_layout(parser.parse_args(["--study", str(tmp_path / file)])).root == tmp_path / root
