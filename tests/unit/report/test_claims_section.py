"""Claims, open questions and published numbers on the page: every verdict with its mark, in whole sentences."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from smallmix.statistics.verdicts import Verdict

from tests.unit.figures.study_with_tables import (
    PUBLISHED,
    build_study_with_tables,
)
from tests.unit.report.rendered_page import render, section, spaced


def list_of_claims(html: str) -> str:
    return html[html.index('<ol class="claims">') :].partition("</ol>")[0]


def test_claims_interpretations_and_sources_are_shown(html: str) -> None:
    assert list_of_claims(html).count("<li>\n<p><strong>") == 6
    assert "pre-activation" in html or "batch normalisation" in html
    assert "What the source leaves open" in html
    assert "mixup: Beyond Empirical Risk Minimization" in html
    assert "3 seeds instead of one" in spaced(html)


def test_claims_under_another_protocol_reproduce_nothing(html: str) -> None:
    """The synthetic study trains 20 epochs where the article has 117,000 iterations."""
    answer, claims = section(html, "answer"), section(html, "claims")
    verdicts = re.findall(r"</strong> <span class=\"badge (\w+)\">([^<]+)</span>", list_of_claims(html))
    assert len(verdicts) == 6
    assert {words for _, words in verdicts} <= {"agrees here", "disagrees here", "undecided here", "not tested"}
    assert verdicts.count(("warn", "undecided here")) == 2
    assert "Published claims:" in answer
    assert "undecided here: 2" in answer
    assert "Published gains:" in answer
    assert "reproduced" not in answer[answer.index("Published claims:") : answer.index("Published numbers:")]
    assert "no verdict on the article" in claims
    assert "wrong verdict by chance in one study of twenty at most" in claims
    assert "partly" not in claims


def test_gains_stand_among_the_numbers_as_judged(html: str) -> None:
    table = html[html.index('<table id="table-numbers"') :]
    table = spaced(table[: table.index("</table>")])
    assert "gain of label-mix over non in best test accuracy with 500 images, points" in table
    assert "+13.24" in table


def test_a_claim_of_every_colour(tmp_path: Path) -> None:
    """Every verdict that the rules can give has a mark of its own kind."""
    made = build_study_with_tables(tmp_path, sizes=[500, 100], seeds=[0], published=PUBLISHED)
    path = made.layout.results / "claims.csv"
    rows = path.read_text(encoding="utf-8").splitlines()[:1]
    rows += [f"claim,{place},s,,f,,,{verdict},r" for place, verdict in enumerate(get_args(Verdict))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    text = render(made, names=())
    marks = dict(re.findall(r"<strong>s</strong> <span class=\"badge (\w+)\">([^<]+)</span>", text)[::-1])
    assert set(marks) == {"good", "warn", "bad", "quiet"}
    for verdict in get_args(Verdict):
        expected = (
            "good" if verdict.startswith(("agrees", "reproduced")) else "warn" if "undecided" in verdict else None
        )
        expected = expected or ("quiet" if verdict == "not tested" else "bad")
        assert f'<strong>s</strong> <span class="badge {expected}">{verdict}</span>' in text


def test_open_questions_stand_below_the_claims(tmp_path: Path) -> None:
    """Answered ones with their word, the others with what they need."""
    text = render(
        build_study_with_tables(tmp_path, sizes=[100], seeds=[0, 1, 2], published="workflow/published/article.yaml"),
        names=("accuracy_by_size_log",),
    )
    claims = spaced(section(text, "claims"))
    questions = claims[claims.index("Questions that the publication leaves open") :]
    assert re.search(r"Is one seed enough\? (yes|no|in part) In .* further run", questions)
    assert "4 that this study does not answer" in questions
    assert "Does the Beta distribution need tuning? It needs validation images" in questions


def test_claims_are_shown_as_sentences_with_true_minus_signs(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[0, 1, 2], published=PUBLISHED)
    path = made.layout.results / "claims.csv"
    head = path.read_text(encoding="utf-8").splitlines()[0]
    found = "least gain -11.67 points, -15.78 to -7.56 (data-mix-4 at 1e-3)"
    row = f'claim,1,It helps.,,"{found}",,,not tested,needs two studies'
    path.write_text(f"{head}\n{row}\n", encoding="utf-8")
    claims = spaced(section(render(made, names=()), "claims"))
    shown_numbers = "least gain m11.67 points, m15.78 to m7.56 (data-mix-4 at 1e-3)".replace(" m", " \N{MINUS SIGN}")
    assert f"{shown_numbers} Needs two studies." in claims


def test_questions_of_a_publication_without_claims_are_shown(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[0, 1, 2], published=PUBLISHED)
    path = made.layout.results / "claims.csv"
    head = path.read_text(encoding="utf-8").splitlines()[0]
    rows = ["question,question-1,Who?,,Nobody.,,,yes,It is so.", "question,question-2,How?,,,,,undecided,Open."]
    path.write_text(
        "\n".join([head, *rows, "question,question-3,Why?,,,,,not answered,It needs more."]) + "\n", "utf-8"
    )
    text = render(made, names=())
    assert '<a href="#claims">' in text
    assert '<strong>Who?</strong> <span class="badge ">yes</span>' in text
    assert '<strong>How?</strong> <span class="badge warn">undecided</span>' in text
    claims = spaced(section(text, "claims"))
    assert "1 that this study does not answer Why? It needs more." in claims
    assert "Each claim is judged by a fixed rule" not in claims
