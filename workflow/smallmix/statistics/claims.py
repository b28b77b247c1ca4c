"""claims.csv: each published number and claim, what the study found, and the verdict with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smallmix.statistics import accuracy_claims, loss_claims, study_claims
from smallmix.statistics.evidence import Evidence
from smallmix.statistics.judgement import Judgement, Outcome, Verdict, not_tested, say
from smallmix.statistics.protocol import (
    Difference,
    differences_from_article,
    differences_of_cells,
    explain,
)
from smallmix.statistics.published_gains import judge_gains
from smallmix.statistics.published_numbers import judge_numbers
from smallmix.study.published import Claim, Published
from smallmix.tables.columns import CLAIMS
from smallmix.tables.table_files import write_table

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


# An outcome that speaks of every size says so of the article only where the study has all of the article's.
OF_EVERY_SIZE: dict[str, Outcome] = {
    "mixup_helps_at_every_size": "agrees",
    "neither_mix_is_better_throughout": "disagrees",
}


@dataclass(frozen=True)
class JudgedClaim:
    """One row of claims.csv; kind is `claim`, `number` or `gain`; a claim has no published value and no tolerance."""

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
    """Judge the claims, the numbers, then the gains. `others` are studies that some claims need beside this one."""
    claims = [_judge_claim(claim, published, evidence, others) for claim in published.claims]
    numbers = [JudgedClaim(kind="number", **vars(number)) for number in judge_numbers(published, evidence)]
    gains = [JudgedClaim(kind="gain", **vars(gain)) for gain in judge_gains(published, evidence)]
    return claims + numbers + gains


def write_claims(rows: Iterable[JudgedClaim], path: Path) -> None:
    """Write claims.csv, atomically."""
    write_table(path, CLAIMS, (tuple(vars(row).values()) for row in rows))


def _judge_claim(claim: Claim, published: Published, evidence: Evidence, others: Sequence[Evidence]) -> JudgedClaim:
    rule = RULES.get(claim.judged_by)
    if rule is None:
        judgement = not_tested(f"no rule is called {claim.judged_by}; there are {', '.join(RULES)}")
    else:
        judgement = rule(evidence, others)
    verdict, reason = say(judgement.outcome, same_protocol=True), judgement.reason
    if judgement.outcome != "not tested":
        differences = _differences(claim, published, judgement, judgement.about or evidence)
        verdict = say(judgement.outcome, same_protocol=not any(one.decisive for one in differences))
        reason = f"{reason} {_sentence(explain(differences))}".strip()
    return JudgedClaim(
        kind="claim",
        identifier=str(claim.id),
        statement=claim.statement,
        published="",
        found=judgement.found,
        difference="",
        tolerance="",
        verdict=verdict,
        reason=reason,
    )


def _differences(claim: Claim, published: Published, judgement: Judgement, evidence: Evidence) -> list[Difference]:
    """In what the study differs from the article; a decisive difference leaves no verdict on the article itself."""
    study = evidence.study
    differences = [*differences_from_article(evidence), *differences_of_cells(study)]
    untried = [row.size for row in published.accuracies if row.size not in study.sizes]
    if untried and OF_EVERY_SIZE.get(claim.judged_by) == judgement.outcome:
        differences.append(Difference(f"no {', '.join(f'{size:,}' for size in untried)} images", True))
    return differences


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""
