"""A provenance.json of another form is named with what is wrong in it, and ends in no traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from smallmix.commands.main import main
from smallmix.errors import SmallmixError
from smallmix.study.named_study import find_results
from smallmix.tables.kept_study import read_kept

from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import build_study_with_tables
from tests.unit.tables.kept_tables import keep_below


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    return build_study_with_tables(tmp_path_factory.mktemp("study"), sizes=[100])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([], "it is no JSON object"),
        ({"environments": {}}, "environments is no list"),
        ({"environments": ["cpu"]}, "environments has an entry that is no JSON object"),
        ({"environments": [{"environment": "cpu"}]}, "environment of a group of environments is no JSON object"),
        ({"environments": [{"timing": {"n1": 3}}]}, "timing of n1 is no JSON object"),
        ({"environments": [{"timing": {"n1": {"started": "soon"}}}]}, "timing of n1 has a start or an end that is no"),
        ({"environments": [{"total_seconds": "many"}]}, "total_seconds of a group of environments is no number"),
        ({"collected_by": "me"}, "collected_by is no JSON object"),
    ],
)
def test_a_record_of_another_form_is_named_and_not_a_traceback(
    made: SyntheticStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any, problem: str
) -> None:
    folder = keep_below(tmp_path / "reports" / "reference" / "synthetic", made)
    (folder / "provenance.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(SmallmixError, match=rf"cannot read .*provenance\.json: {problem}"):
        read_kept(find_results(folder, tmp_path))
    assert main(["index", "--root", str(tmp_path)]) == 0
    assert problem in (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")
