"""Protects the protocol as data: the project's own configuration is the article's protocol, its overlays are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from smallmix.statistics.evidence import Evidence
from smallmix.statistics.protocol import differences_from_article, differences_of_cell, explain
from smallmix.study.configuration import load_study

ROOT = Path(__file__).resolve().parents[3]


def load(overlay: str | None, monkeypatch: pytest.MonkeyPatch) -> Evidence:
    monkeypatch.chdir(ROOT)  # a configuration names files relative to the project's folder
    files = [ROOT / "config.yaml", *([ROOT / "workflow" / "studies" / f"{overlay}.yaml"] if overlay else [])]
    return Evidence(load_study(files), ())


def test_the_article_study_is_the_articles_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = load(None, monkeypatch)
    assert differences_from_article(evidence) == []
    for size in evidence.study.sizes:
        for method in evidence.study.methods:
            assert differences_of_cell(evidence.study, size, method) == []


@pytest.mark.parametrize(
    ("overlay", "text", "decisive"),
    [
        ("replicated", "5 seeds instead of one", False),
        ("balanced", "subsets by the rule balanced instead of the head of the list", True),
    ],
)
def test_overlays_differ_as_they_say(overlay: str, text: str, decisive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    differences = differences_from_article(load(overlay, monkeypatch))
    assert (text, decisive) in [(one.text, one.decisive) for one in differences]
    assert text in explain(differences)


def test_the_longer_study_differs_where_it_trains_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    study = load("longer", monkeypatch).study
    assert [one.text for one in differences_of_cell(study, 1000, "non")] == ["117,000 iterations instead of 100 epochs"]
    assert [one.text for one in differences_of_cell(study, 100, "non")] == [
        "117,000 iterations instead of 40,000 iterations"
    ]
    assert differences_of_cell(study, 500, "non") == []
