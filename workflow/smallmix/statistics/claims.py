"""claims.csv: each published number and claim, what the study found, and the verdict with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.atomic_files import write_text
from smallmix.collection.tables import csv_text
from smallmix.statistics import accuracy_claims, loss_claims, study_claims
from smallmix.statistics.evidence import LARGEST_SMALL_SIZE, Evidence
from smallmix.statistics.judgement import Judgement, Verdict, not_tested
from smallmix.statistics.protocol import differences_from_article, differences_of_budgets, explain, is_cut_short
from smallmix.statistics.published_numbers import judge_numbers
from smallmix.study.published import Claim, Published

COLUMNS = ("kind", "id", "statement", "published", "found", "difference", "tolerance", "verdict", "reason")

Rule = Callable[[Evidence, Sequence[Evidence]], Judgement]


def _alone(rule: Callable[[Evidence], Judgement]) -> Rule:
    return lambda evidence, others: rule(evidence)


RULES: dict[str, Rule] = {
    "mixup_helps_at_every_size": _alone(accuracy_claims.mixup_helps_at_every_size),
    "dip_at_1000_from_few_iterations": study_claims.dip_at_1000_from_few_iterations,
    "uneven_classes_matter": study_claims.uneven_classes_matter,
    "neither_mix_is_better_throughout": _alone(accuracy_claims.neither_mix_is_better_throughout),
    "non_converges_mixup_does_not": _alone(loss_claims.non_converges_mixup_does_not),
    "mixup_overfits_label_mix_falls_least": _alone(loss_claims.mixup_overfits_label_mix_falls_least),
}


# Claims on what happens late in a training say nothing of one that ends early.
NEED_THE_WHOLE_BUDGET = frozenset({"non_converges_mixup_does_not", "mixup_overfits_label_mix_falls_least"})


@dataclass(frozen=True)
class JudgedClaim:
    """One row of claims.csv; kind is `number` or `claim`; a claim has no published value and no tolerance."""

    kind: str
    identifier: str
    statement: str
    published: str
    found: str
    difference: str
    tolerance: str
    verdict: Verdict
    reason: str


def judge_claims(published: Published, evidence: Evidence, others: Sequence[Evidence] = ()) -> list[JudgedClaim]:
    """Judge the claims, then the numbers. `others` are studies that some claims need beside this one."""
    claims = [_judge_claim(claim, evidence, others) for claim in published.claims]
    numbers = [JudgedClaim(kind="number", **vars(number)) for number in judge_numbers(published, evidence)]
    return claims + numbers


def write_claims(rows: Iterable[JudgedClaim], path: Path) -> None:
    """Write claims.csv, atomically."""
    write_text(path, csv_text(COLUMNS, (tuple(vars(row).values()) for row in rows)))


def _judge_claim(claim: Claim, evidence: Evidence, others: Sequence[Evidence]) -> JudgedClaim:
    rule = RULES.get(claim.judged_by)
    if rule is None:
        judgement = not_tested(f"no rule is called {claim.judged_by}; there are {', '.join(RULES)}")
    elif claim.judged_by in NEED_THE_WHOLE_BUDGET and is_cut_short(evidence.study, LARGEST_SMALL_SIZE):
        judgement = not_tested("needs the article's budgets: " + explain(differences_of_budgets(evidence.study)))
    else:
        judgement = rule(evidence, others)
    protocol = explain([*differences_from_article(evidence), *differences_of_budgets(evidence.study)])
    reason = judgement.reason
    if judgement.verdict != "not tested" and protocol:
        reason = f"{reason}; {protocol}"
    return JudgedClaim(
        kind="claim",
        identifier=str(claim.id),
        statement=claim.statement,
        published="",
        found=judgement.found,
        difference="",
        tolerance="",
        verdict=judgement.verdict,
        reason=reason,
    )
