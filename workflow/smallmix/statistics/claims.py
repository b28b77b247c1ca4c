"""claims.csv: each published claim, open question and number, what the study found, the verdict and its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smallmix.statistics import accuracy_claims, loss_claims, mixing_weight, open_questions
from smallmix.statistics.answers import Answer, Word
from smallmix.statistics.protocol import ProtocolDifference, explain, refer, told_once
from smallmix.statistics.published_numbers import judge_gains, judge_numbers
from smallmix.statistics.study_results import StudyResults, load_study_results
from smallmix.statistics.verdicts import Judgement, Outcome, ProtocolVerdict, Verdict, claim_verdict, not_tested
from smallmix.study.layout import Layout
from smallmix.study.published import (
    OpenQuestion,
    Published,
    PublishedClaim,
    find_published,
    load_published,
)
from smallmix.study.study import Study
from smallmix.tables.statistics_columns import CLAIMS
from smallmix.tables.table_files import write_table

Rule = Callable[[StudyResults, Sequence[StudyResults]], Judgement]
QuestionRule = Callable[[StudyResults, Sequence[StudyResults]], Answer]


def _alone(rule: Callable[[StudyResults], Judgement]) -> Rule:
    return lambda results, others: rule(results)


RULES: dict[str, Rule] = {
    "mixup_helps_at_every_size": _alone(accuracy_claims.mixup_helps_at_every_size),
    "dip_at_1000_from_few_iterations": accuracy_claims.dip_at_1000_from_few_iterations,
    "uneven_classes_matter": accuracy_claims.uneven_classes_matter,
    "neither_mix_is_better_throughout": _alone(accuracy_claims.neither_mix_is_better_throughout),
    "non_converges_mixup_does_not": _alone(loss_claims.non_converges_mixup_does_not),
    "mixup_overfits_label_mix_falls_least": _alone(loss_claims.mixup_overfits_label_mix_falls_least),
}


def _of_one(rule: Callable[[StudyResults], Answer]) -> QuestionRule:
    return lambda results, others: rule(results)


def _longer_training_helps(results: StudyResults, others: Sequence[StudyResults]) -> Answer:
    """Answer from the first pair of this study and another one that differs in its iterations alone."""
    pairs = [pair for other in others for pair in ((results, other), (other, results))]
    answers = [open_questions.does_longer_training_help(*pair) for pair in pairs or [(results, results)]]
    return next((one for one in answers if one.word != "not answered"), answers[0])


def _a_calmer_recipe_helps(results: StudyResults, others: Sequence[StudyResults]) -> Answer:
    """Answer from the first study that has the published weight decay and schedule, and the others beside it."""
    studies = [results, *others]
    base = next((one for one in studies if _has_the_published_recipe(one)), None)
    if base is None:
        return Answer("not answered", ("It needs a study with the published weight decay and schedule beside it.",))
    return open_questions.does_a_calmer_recipe_help(base, [one for one in studies if one is not base])


def _has_the_published_recipe(results: StudyResults) -> bool:
    recipe, published = results.study.cells[0].value.recipe, results.protocol.recipe
    return (recipe.weight_decay, recipe.schedule) == (published.weight_decay, published.schedule)


QUESTION_RULES: dict[str, QuestionRule] = {
    "one_seed_is_enough": _of_one(open_questions.is_one_seed_enough),
    "the_best_of_a_run_misleads": _of_one(open_questions.does_the_best_of_a_run_mislead),
    "longer_training_helps": _longer_training_helps,
    "the_beta_distribution_needs_tuning": _of_one(mixing_weight.does_the_beta_distribution_need_tuning),
    "a_calmer_recipe_helps": _a_calmer_recipe_helps,
    "a_weight_for_each_image_helps": _of_one(mixing_weight.does_a_weight_for_each_image_help),
}


# These outcomes speak of every size. They concern the article only where the study has all of its sizes.
OF_EVERY_SIZE: dict[str, Outcome] = {
    "mixup_helps_at_every_size": "agrees",
    "neither_mix_is_better_throughout": "disagrees",
}


# What the article supposes but did not try. No study reproduces it; the claim agrees or disagrees in that study.
NOT_TRIED = {"uneven_classes_matter": "balanced subsets, which the article did not train on"}


@dataclass(frozen=True)
class JudgedClaim:
    """One row of claims.csv. kind is `protocol`, `claim`, `question`, `number` or `gain`.

    The protocol, the claims and the questions have no published value and no tolerance.
    """

    kind: str
    identifier: str
    statement: str
    published: str
    found: str
    difference: str
    tolerance: str
    verdict: Verdict | ProtocolVerdict | Word
    reason: str


def judge_claims(published: Published, results: StudyResults, others: Sequence[StudyResults] = ()) -> list[JudgedClaim]:
    """Say how the protocol differs, then judge the claims, answer the questions, judge the numbers and the gains.

    `others` are studies that some claims and questions need beside this one.
    """
    results, *others = (replace(study, protocol=published.protocol) for study in (results, *others))
    claims = [_judge_claim(claim, published, results, others) for claim in published.claims]
    numbers = [JudgedClaim(kind="number", **vars(number)) for number in judge_numbers(published, results)]
    gains = [JudgedClaim(kind="gain", **vars(gain)) for gain in judge_gains(published, results)]
    questions = [_answer_question(question, results, others) for question in published.questions]
    return [_compare_protocol(published, results), *claims, *questions, *numbers, *gains]


def judge_study(
    layout: Layout, tables: Path, published: Path | None = None, compare_with: Sequence[Path] | None = None
) -> list[JudgedClaim] | None:
    """Judge what was published by the study's `tables`; None where the study names nothing published.

    `published` and `compare_with` (the study.json of other studies) are by default what the study names.
    """

    named = layout.study.configuration["published"]
    if published is None:
        if not named:
            return None
        published = find_published(named, layout.root)
    compared = layout.collected_studies if compare_with is None else compare_with
    others = [load_study_results(Study.load(other), layout.root, other.parent) for other in compared]
    return judge_claims(load_published(published), load_study_results(layout.study, layout.root, tables), others)


def write_claims(rows: Iterable[JudgedClaim], path: Path) -> None:
    """Write claims.csv, atomically."""
    write_table(path, CLAIMS, (tuple(vars(row).values()) for row in rows))


def _judge_claim(
    claim: PublishedClaim, published: Published, results: StudyResults, others: Sequence[StudyResults]
) -> JudgedClaim:
    rule = RULES.get(claim.judged_by)
    if rule is None:
        judgement = not_tested(f"no rule is called {claim.judged_by}; there are {', '.join(RULES)}")
    else:
        judgement = rule(results, others)
    verdict, reason = claim_verdict(judgement.outcome, same_protocol=True), judgement.reason
    if judgement.outcome != "not tested":
        about = judgement.about or results
        differences, told = told_once(about.study, published.protocol, about.label_checksums)
        told = {*told, *differences}
        of_claim = _differences_of_claim(claim, published, judgement, about)
        same_protocol = not any(one.decisive for one in (*differences, *of_claim))
        verdict = claim_verdict(judgement.outcome, same_protocol=same_protocol)
        if differences and about is not results:
            reason += (
                f" The protocol of the study {about.study.name} counts here. It differs from the article's, as the "
                "claims.csv of that study says."
            )
            differences = []
        reason = f"{reason} {_sentence(refer([*differences, *of_claim], told))}".strip()
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


def _answer_question(question: OpenQuestion, results: StudyResults, others: Sequence[StudyResults]) -> JudgedClaim:
    """Return the answer's first sentence as the reason of its word, and the others as what was found."""
    rule = QUESTION_RULES.get(question.answered_by)
    if rule is None:
        answer = Answer(
            "not answered", (f"No rule is called {question.answered_by}; there are {', '.join(QUESTION_RULES)}.",)
        )
    else:
        answer = rule(results, others)
    reason, *found = answer.sentences
    return JudgedClaim(
        kind="question",
        identifier=f"question-{question.id}",
        statement=question.question,
        published="",
        found=" ".join(found),
        difference="",
        tolerance="",
        verdict=answer.word,
        reason=reason,
    )


def _compare_protocol(published: Published, results: StudyResults) -> JudgedClaim:
    """Return the row that says once how the study differs from the source. The other rows refer to it."""
    differences, _ = told_once(results.study, published.protocol, results.label_checksums)
    return JudgedClaim(
        kind="protocol",
        identifier="protocol",
        statement="how the study's protocol differs from the source's",
        published="",
        found="",
        difference="",
        tolerance="",
        verdict="differs" if differences else "as published",
        reason=_sentence(explain(differences)) or "Follows the article's protocol as it is interpreted here.",
    )


def _differences_of_claim(
    claim: PublishedClaim, published: Published, judgement: Judgement, results: StudyResults
) -> list[ProtocolDifference]:
    """Return in what the study differs as far as this claim goes. All of it allows no verdict on the article."""
    study = results.study
    differences: list[ProtocolDifference] = []
    if claim.judged_by in NOT_TRIED:
        differences.append(ProtocolDifference(NOT_TRIED[claim.judged_by], True))
    untried = [row.size for row in published.accuracies if row.size not in study.sizes]
    if untried and OF_EVERY_SIZE.get(claim.judged_by) == judgement.outcome:
        differences.append(ProtocolDifference(f"no {', '.join(f'{size:,}' for size in untried)} images", True))
    return differences


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""
