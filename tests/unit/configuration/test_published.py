"""The article as data: its tables are complete and right to the digit, and errors of a file are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from smallmix.errors import ConfigurationError
from smallmix.study.configuration import load_study
from smallmix.study.published import Published, article_protocol, load_published, schema_text

PROJECT = Path(__file__).resolve().parents[3]
ARTICLE = PROJECT / "workflow" / "published" / "article.yaml"

TABLE_1 = [
    (20_000, 1925, 2042),
    (10_000, 937, 1032),
    (5_000, 460, 520),
    (1_000, 85, 112),
    (500, 40, 65),
    (250, 18, 35),
    (100, 4, 16),
]
TABLE_2 = """
50000 95.00 95.71 96.00
20000 90.81 92.26 93.09
10000 85.47 88.26 88.80
 5000 79.52 83.16 82.86
 1000 47.83 57.43 53.25
  500 44.60 58.59 57.84
  250 36.34 50.29 50.08
  100 26.79 31.72 33.84
"""


@pytest.fixture
def article() -> Published:
    return load_published(ARTICLE)


def test_table_1(article: Published) -> None:
    assert [(row.size, row.smallest_class, row.largest_class) for row in article.class_counts] == TABLE_1


def test_table_2(article: Published) -> None:
    rows = [line.split() for line in TABLE_2.strip().splitlines()]
    assert len(article.accuracies) == len(rows)
    for size, *percents in rows:
        for method, percent in zip(("non", "data-mix", "label-mix"), percents, strict=True):
            assert article.percent(int(size), method) == float(percent)
    assert article.percent(500, "cutmix") is None
    assert article.percent(123, "non") is None


def test_sizes_and_methods_are_those_of_the_study(article: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    study = load_study([PROJECT / "config.yaml"])
    assert tuple(row.size for row in article.accuracies) == study.sizes
    assert all(tuple(row.percent) == study.methods for row in article.accuracies)


def test_claims_figures_and_readings_are_complete(article: Published) -> None:
    assert [claim.id for claim in article.claims] == [1, 2, 3, 4, 5, 6]
    assert len({claim.judged_by for claim in article.claims}) == 6
    assert [question.id for question in article.questions] == [1, 2, 3, 4, 5, 6]
    assert len({question.answered_by for question in article.questions}) == 6
    assert [figure.number for figure in article.figures] == [1, 2, 3, 4]
    decided = {one.open: one.decided for one in article.interpretations}
    assert len(decided) == len(article.interpretations) == 12
    assert "11,171,274 parameters" in decided["the mixup repository's network"]
    assert "usually smaller" in decided["weight decay of the plain training"]
    assert "all 50,000 training images" in decided["constants of the normalisation"]
    assert "on the test images" in decided["how the Beta distributions were chosen"]
    assert article.selection == "best"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("percent: {non: 95.00,", "percent: {non: 195.00,", r"accuracies.percent.non \(entry 1\).*found 195.0"),
        ("judged_by: non_conv", "judgedby: non_conv", "did you mean judged_by"),
        ("  - id: 2", "  - id: 1", r"claims.id \(entry 2\).*second time"),
        ("{size: 20000, percent", "{size: 50000, percent", "50000 a second time"),
        ("  - id: 2\n    question", "  - id: 1\n    question", r"questions.id \(entry 2\).*second time"),
        ("answered_by: one_seed", "answerd_by: one_seed", "did you mean answered_by"),
        ("selection: best", "selection: bets", "did you mean best"),
        ("claims:", "claims: [", "not valid YAML"),
        ("source:", "sauce:", "source: is missing; give a mapping .* of title, original_title"),
        (
            "width: 64",
            "width: '64'",
            r"protocol.width.*line 18.*found '64' .text.; allowed: a whole number from 1 to 1000",
        ),
        ("flip: true", "flip: 1", "protocol.recipe.flip.*found 1; allowed: true or false"),
        ("mix: images,", "mix: image,", r"protocol.methods.data-mix.mix.*did you mean images\?"),
        ("default: {epochs: 100}", "default: {epochs: 1, iterations: 1}", "give either epochs or iterations"),
        ("default: {epochs: 100}", "1000: {epochs: 100}", "budgets need an entry named default"),
        (
            "    500: {iter",
            "    5x: {iter",
            "protocol.budgets.5x.*not allowed as a key .a key is a number of images, or",
        ),
        ("blocks: [2, 2, 2, 2]", "blocks: [2, 2, 2]", r"protocol.blocks \(entry 4\): is missing"),
        (
            "learning_rate: 0.1",
            "learning_rate: .nan",
            "learning_rate.*found nan .not a finite number.; allowed: a number",
        ),
        ("language: Japanese", "language: 12", "source.language.*found 12 .*allowed: text of at most 40 characters"),
        ("language: Japanese", r'language: "a\0b"', "control characters are not allowed"),
    ],
)
def test_a_file_with_an_error_is_refused(old: str, new: str, words: str, tmp_path: Path) -> None:
    text = ARTICLE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "published.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=words) as caught:
        load_published(path)
    assert "published.yaml" in str(caught.value)


def test_all_problems_of_a_file_are_in_one_message(tmp_path: Path) -> None:
    text = ARTICLE.read_text(encoding="utf-8")
    for old, new in (("width: 64", "width: 0"), ("non: 95.00,", "non: 195.00,"), ("  - id: 2", "  - id: 1")):
        text = text.replace(old, new, 1)
    path = tmp_path / "published.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_published(path)
    message = str(caught.value)
    for key in ("has 3 problems", "protocol.width", "accuracies.percent.non (entry 1)", "claims.id (entry 2)"):
        assert key in message


def test_the_protocol_of_the_article_stands_for_a_source_that_states_none(article: Published, tmp_path: Path) -> None:
    path = tmp_path / "published.yaml"
    path.write_text("source: {title: x}\naccuracies:\n  - {size: 10, percent: {non: 50}}\n", encoding="utf-8")
    other = load_published(path)
    assert other.stated_protocol is None
    assert other.protocol == article.protocol == article_protocol()
    assert (other.selection, other.source.language, other.claims) == ("best", "English", ())
    assert other.percent(10, "non") == 50.0


def test_the_articles_budgets(article: Published) -> None:
    assert article.protocol.budget_at(1000) == ("epochs", 100)
    assert article.protocol.budget_at(100) == ("iterations", 40_000)


def test_the_schema_for_editors_is_the_models() -> None:
    path = PROJECT / "workflow" / "schemas" / "published.schema.yaml"
    assert path.read_text(encoding="utf-8") == schema_text(), f"write {path} again with `make schema`"


def test_the_schema_for_editors_is_closed_and_accepts_the_article() -> None:
    schema = yaml.safe_load(schema_text())
    Draft202012Validator.check_schema(schema)
    # In JSON all keys are texts.
    article = json.loads(json.dumps(yaml.safe_load(ARTICLE.read_text(encoding="utf-8"))))
    assert list(Draft202012Validator(schema).iter_errors(article)) == []
    article["protocol"]["recipe"]["bach_size"] = 1
    article["accuracies"][0]["percent"]["non"] = 101
    assert len(list(Draft202012Validator(schema).iter_errors(article))) >= 2
    for each in (schema, *schema["$defs"].values()):
        assert each["additionalProperties"] is False
        assert all(key["description"] for key in each["properties"].values())
