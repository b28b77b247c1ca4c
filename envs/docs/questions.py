"""The questions of docs/findings.md: the studies and the rule that answer each, and what stands beside the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from smallmix.statistics import mixing_weight, open_questions
from smallmix.statistics.answers import Answer, answer_claim, answer_published
from smallmix.statistics.claims import RULES
from smallmix.statistics.study_results import StudyResults

from envs.docs.kept_studies import KeptStudy


@dataclass(frozen=True)
class Finding:
    """A question, the studies that answer it, the rule that does, and what stands beside the answer.

    `asks` says where the question comes from. `figure` is drawn of the first studies, `drawn` of them.
    `tests_it` says whether the question is the one that the studies' hypotheses are about, but for those of the studies
    that `only_compared` names.
    """

    question: str
    asks: str
    studies: tuple[str, ...]
    answer: Callable[[Sequence[KeptStudy]], Answer]
    figure: str
    silent: str
    change: str
    drawn: int = 1
    tests_it: bool = True
    only_compared: tuple[str, ...] = ()


def _claim(rule: str) -> Callable[[Sequence[KeptStudy]], Answer]:
    return _by_results(lambda studies: answer_claim(rule, RULES[rule](studies[0], studies[1:])))


def _by_results(answer: Callable[[Sequence[StudyResults]], Answer]) -> Callable[[Sequence[KeptStudy]], Answer]:
    return lambda studies: answer([one.results for one in studies])


def _published_row(studies: Sequence[KeptStudy]) -> Answer:
    claims = studies[0].tables.claims
    rows = {
        str(row["id"]): {key: str(row[key]) for key in ("published", "found", "verdict")}
        for row in claims.to_dict("records")
    }
    return answer_published(studies[0].results, rows)


FINDINGS = (
    Finding(
        "Does mixup help at every training-set size?",
        "The article's first claim: mixup seems to work even where there is little data. Its table shows that at every "
        "size, and so smallmix reads it.",
        ("curve-small",),
        _claim("mixup_helps_at_every_size"),
        "accuracy_by_size_log",
        "Why mixing loses at the large sizes. 2,000 iterations are 50 epochs of 5,000 images and 5 of 50,000, where "
        "the article has 100 of each, and the network is narrow. Neither was varied here.",
        "More seeds narrow every interval. The study `replicated` has the article's network and budgets, on a GPU.",
    ),
    Finding(
        "Does the dip at 1,000 images come from too few iterations?",
        "The article's second claim.",
        ("dip-small", "dip-small-longer"),
        _claim("dip_at_1000_from_few_iterations"),
        "accuracy_by_size_log",
        "Whether the article's own dip has this cause. Here it was made on purpose: fewer iterations at 1,000 "
        "images than at 500, as in the article.",
        "The article's budgets and network, in the studies `article` and `longer`, on a GPU.",
        drawn=2,
    ),
    Finding(
        "Do uneven classes cost accuracy where images are few?",
        "The article's third claim, and the open question of uneven classes.",
        ("random-small", "balance-small"),
        _claim("uneven_classes_matter"),
        "accuracy_by_size_log",
        "What classes cost that are more uneven than random draws make them.",
        "More draws. The interval covers the scatter of the draws, so it narrows with the number of seeds.",
        drawn=2,
    ),
    Finding(
        "Is one way of mixing better throughout?",
        "The article's fourth claim says that neither is.",
        ("curve-small",),
        _claim("neither_mix_is_better_throughout"),
        "paired_differences",
        "Which way is better at sizes between those tried, or after a longer training.",
        "More seeds at 1,000 images and fewer, where the two ways lie near each other, and the article's budgets.",
        tests_it=False,
    ),
    Finding(
        "Does plain training converge at once, and mixing never?",
        "The article's fifth claim.",
        ("row-1000",),
        _claim("non_converges_mixup_does_not"),
        "loss_curves",
        "What the article saw: at 500, 250 and 100 images, with budgets 50 to 146 times as long. A tenth of 800 "
        "iterations is 80, which is little time for plain training to converge. `curve-small` judges the same at width "
        "16 and 2,000 iterations, in its claims.csv.",
        "The article's whole budgets at 500, 250 and 100 images, in the study `replicated`, on a GPU.",
        tests_it=False,
    ),
    Finding(
        "Does mixing over-fit, and does the loss of mixed labels fall least?",
        "The article's sixth claim.",
        ("row-1000",),
        _claim("mixup_overfits_label_mix_falls_least"),
        "loss_curves",
        "What the article saw: at 500, 250 and 100 images, with budgets 50 to 146 times as long. Nor does it say why a "
        "loss stays high: the floor that mixing sets is subtracted, and what is left has more than one cause. "
        "`curve-small` judges the same at width 16 and 2,000 iterations, in its claims.csv.",
        "The article's whole budgets at 500, 250 and 100 images, in the study `replicated`, on a GPU.",
        tests_it=False,
    ),
    Finding(
        "Would a calmer recipe have been better for mixing?",
        "The article's remark on over-fitting with its optimiser's setting.",
        ("beta-small", "calmer-small-cosine", "calmer-small-decay-5e-4", "calmer-small-decay-1e-3"),
        _by_results(lambda studies: open_questions.does_a_calmer_recipe_help(studies[0], studies[1:])),
        "accuracy_curves",
        "Which recipe is the best. Three were tried, one change at a time, in 600 iterations, and no learning rate but "
        "the article's.",
        "Other learning rates, several changes at once, and longer training.",
        drawn=2,
        only_compared=("beta-small",),
    ),
    Finding(
        "Is one seed enough?",
        "An open question: the article trained each method once.",
        ("small-end",),
        _by_results(lambda studies: open_questions.is_one_seed_enough(studies[0])),
        "paired_differences",
        "How far a single run of the article's network scatters, whose subset is the same for every seed. Here each "
        "seed draws its own.",
        "The range of single runs does not narrow with more seeds. It only becomes better known.",
        tests_it=False,
    ),
    Finding(
        "Does choosing the best of a run on the test set change the comparison?",
        "An open question: the article reports the best test accuracy of each run.",
        ("small-end",),
        _by_results(lambda studies: open_questions.does_the_best_of_a_run_mislead(studies[0])),
        "selection_gap",
        "How much the article's own maxima gain. They are taken of far more evaluations, and grow with their number.",
        "More evaluations in a run raise its best. More seeds narrow the intervals.",
        tests_it=False,
    ),
    Finding(
        "Were 1,000 and 100 images trained too briefly?",
        "An open question: the article says so of both sizes.",
        ("budget-middle", "budget-long"),
        _by_results(lambda studies: open_questions.does_longer_training_help(studies[0], studies[1])),
        "accuracy_curves",
        "Where the gain ends. A budget beyond the longest was not tried.",
        "A third, longer budget, and more seeds.",
        drawn=2,
    ),
    Finding(
        "Does the Beta distribution need tuning?",
        "An open question, and the second half of the article's first claim.",
        ("beta-small",),
        _by_results(lambda studies: mixing_weight.does_the_beta_distribution_need_tuning(studies[0])),
        "paired_differences",
        "Distributions between and beyond those tried, and other sizes.",
        "More seeds, more values of a, and the study `beta` at the article's scale, on a GPU.",
    ),
    Finding(
        "Does a mixing weight for each image, instead of each batch, raise the accuracy?",
        "The article does not say which it drew. smallmix draws one for each batch, as the code of the mixup paper.",
        ("weight-small",),
        _by_results(lambda studies: mixing_weight.does_a_weight_for_each_image_help(studies[0])),
        "paired_differences",
        "Other sizes and longer budgets, where the noise of a single weight may average out.",
        "The article's network. The study `row-1000-each` asks the same of it; nobody has run it to its end yet.",
    ),
    Finding(
        "Does mixing images alone need the label of the image with the larger share?",
        "The article keeps the own image's label, which may have less than half of the mixed image, and publishes an "
        "accuracy that smallmix does not get so.",
        ("larger-share-small",),
        _by_results(lambda studies: mixing_weight.does_the_larger_share_help(studies[0])),
        "paired_differences",
        "What the article did: it does not say. Nor other sizes and longer budgets.",
        "The article's network. The study `row-1000-larger-share` asks the same of it, on a GPU.",
    ),
    Finding(
        "Do the article's numbers come out?",
        "Rows of the article's Table 2, trained by its protocol as we read it.",
        ("article-rows",),
        _published_row,
        "accuracy_by_size_log",
        "The article's other rows, and how far chance moved its single runs and this one. An accuracy agrees within "
        "its tolerance, and disagrees beyond twice that (`claims.csv` has both).",
        "The original images and fp32, which were not tried. More seeds: the study `row-1000` has three, the first of "
        "them the same trainings, evaluated less often. "
        "Another reading of what the article leaves open: in `row-5000-even` no epoch ends with a small batch. A "
        "mixing weight for each image (question 12) was tried in a narrow network alone.",
    ),
)
