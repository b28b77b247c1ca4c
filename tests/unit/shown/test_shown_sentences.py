"""Protects the sentences of the page that carry numbers: the answer, the claims, how the numbers were obtained."""

from __future__ import annotations

from tests.study_outputs import PageText
from tests.synthetic_study import SyntheticStudy


def sentences(page: PageText, section: str, tag: str) -> list[str]:
    """The texts of a section, with hyphens for minus signs."""
    return [text.replace("\N{MINUS SIGN}", "-") for text in page.section(section, tag)]


def test_the_answer_says_signs_and_certainty(page: PageText) -> None:
    """label-mix is behind at 100 images, with an interval that crosses zero; data-mix is stored reversed."""
    assert sentences(page, "answer", "p")[0] == (
        "label-mix came out ahead of non at 1 of the 2 training-set sizes tried (-2.0 points with 100 images, +12.0 "
        "with 500; the interval over seeds lies above zero with 500 images). data-mix came out ahead of non at both "
        "training-set sizes tried (+1.0 points with 100 images, +13.0 with 500; the interval over seeds lies above "
        "zero with 500 images)."
    )


def test_each_gain_has_its_interval(page: PageText) -> None:
    """The pair that is stored as non minus data-mix has its bounds exchanged."""
    assert sentences(page, "answer", "li") == [
        "label-mix against non: -2.0 points (95 % interval -4.2 to +0.2, 3 seeds) with 100 images; +12.0 points (95 % "
        "interval +9.8 to +14.2, 3 seeds) with 500.",
        "data-mix against non: +1.0 points (95 % interval -4.4 to +6.4, 3 seeds) with 100 images; +13.0 points (95 % "
        "interval +10.5 to +15.5, 3 seeds) with 500.",
    ]


def test_nothing_is_declared_with_three_seeds(page: PageText) -> None:
    """2 of 2^3 choices of signs; 2 of 2^6 are the first below 0.05."""
    assert sentences(page, "answer", "p")[1] == (
        "No hypothesis is declared in advance: with 3 seeds the exact test cannot give a p-value below 0.25. 6 seeds "
        "are the fewest that can decide at 0.05. Every comparison on this page is exploratory."
    )


def test_verdicts_are_counted(page: PageText) -> None:
    assert sentences(page, "answer", "p")[2] == (
        "18 finished of 18 runs. Published claims: reproduced: 1 undecided: 3 not tested: 2 "
        "Published numbers: reproduced: 4 undecided: 2 not reproduced: 2 not tested: 23 "
        "Published gains: reproduced: 2 undecided: 1 not reproduced: 1 not tested: 12"
    )


def test_what_pairing_gained_is_said(page: PageText) -> None:
    """Ratios 0.273, 0.5, 0.6, 1.182, 1.462, 1.6: the median is (0.6 + 1.182) / 2 = 0.891."""
    assert (
        "The variance of such a difference was 0.89 times the sum of the two methods' own variances (median of 6 "
        "comparisons of the best accuracy, 0.27 to 1.60), so pairing made little difference."
    ) in sentences(page, "differences", "p")[0]


# What was found and the verdict. Floors: entropy 0.5 nats on average x share of unlike pairs. At 500 images
# 1 - 24,830 / 249,500 of the pairs are unlike and 1 of 125 images is its own partner: 0.5 x 0.9005 x 0.992 = 0.4466;
# at 100 images 0.5 x (1 - 962 / 9,900) x 0.99 = 0.4469. Converged: within 0.05 x ln 10 = 0.115.
CLEAN = (
    "clean training images classified correctly at the end: non 100.0 %, data-mix 90.0 to 97.0 %, "
    "label-mix 80.0 to 89.0 %"
)
CLAIMS = [
    (
        "Mixup improves on plain training at every training-set size, though its Beta distribution needs tuning.",
        "undecided",
        "mixup ahead in 3 of 4 comparisons, in 2 with the 95 % interval above zero; least gain -2.00 points, 95 % "
        "interval -4.15 to +0.15 (label-mix at 100)",
    ),
    (
        "The low accuracies at 1,000 images come from too few iterations, and 100 images would have gained from more "
        "as well.",
        "not tested",
        None,
    ),
    (
        "With few images the classes are uneven, which may cost accuracy; balanced subsets would have been better.",
        "not tested",
        "classes of 5 to 16 at 100 images",
    ),
    (
        "Whether mixing images alone or images and labels is better depends on the size; neither wins throughout.",
        "undecided",
        "label-mix ahead of data-mix at no size; behind at 500, 100; the 95 % interval excludes zero at no size",
    ),
    (
        "Without mixup the training loss converges almost at once; with either way of mixing it never converges.",
        "reproduced",
        "6 of 6 plain runs reach their floor in the first tenth of the budget and stay there; 12 of 12 mixup runs end "
        f"more than 0.115 nats above theirs; {CLEAN}",
    ),
    (
        "With this optimiser setting the mixup runs over-fit, and the training loss of mixing images and labels falls "
        "least, because its task is harder.",
        "undecided",
        # data-mix at 100 images ends at 2.00, 2.08 and 2.04, less than 5 % above 2.00.
        "the test loss of 9 of 12 mixup runs ends 5% or more above its lowest stretch; label-mix ends further above "
        f"its floor than another method in 4 of 4 comparisons; {CLEAN}",
    ),
]


OPEN_QUESTIONS = 6  # of the article, below its claims


def test_every_open_question_has_its_answer_or_what_it_needs(page: PageText) -> None:
    """The made-up study has three seeds and stands alone."""
    questions = sentences(page, "claims", "li")[len(CLAIMS) :]
    starts = [
        "Is one seed enough? ",
        "Does choosing the best of a run on the test set change the comparison? ",
        "Were 1,000 and 100 images trained too briefly? It needs two studies that differ only in their iterations",
        "Does the Beta distribution need tuning? It needs validation images",
        "Would a calmer recipe have been better for mixing? It needs a study",
        "Does a mixing weight for each image, instead of each batch, raise the accuracy? It needs a way of mixing",
    ]
    assert len(questions) == len(starts) == OPEN_QUESTIONS
    for text, start in zip(questions, starts, strict=True):
        assert text.startswith(start)
        assert text.endswith(".")


def test_every_claim_has_its_verdict_and_its_numbers(page: PageText) -> None:
    paragraphs = sentences(page, "claims", "p")[2:]
    for statement, verdict, found in CLAIMS:
        place = paragraphs.index(f"{statement} {verdict}")
        if found is not None:
            assert paragraphs[place + 1] == found
    assert len(sentences(page, "claims", "li")) == len(CLAIMS) + OPEN_QUESTIONS


def test_the_claims_on_losses_name_the_floor(page: PageText) -> None:
    floor = "The floor, below which no network comes, is 0.447 nats for data-mix and 0.447 nats for label-mix"
    assert sum(floor in text for text in sentences(page, "claims", "li")) == 2


def test_the_comparisons_of_each_claim_are_counted(page: PageText) -> None:
    claims = sentences(page, "claims", "li")[: len(CLAIMS)]
    counted = ["(4 comparisons)", None, None, "(2 sizes)", "(6 quantities)", "(8 quantities)"]
    for text, count in zip(claims, counted, strict=True):
        assert count is None or count in text
        reference = "Differs from the article's protocol (see Deviations and interpretations)."
        assert text.endswith(reference) == (count is not None)


def test_how_the_numbers_were_obtained(page: PageText) -> None:
    """11 evaluations of 36,270 to 40,000 iterations, 30 of 105,690 to 117,000."""
    protocol = dict(zip(page.section("method", "dt"), page.section("method", "dd"), strict=True))
    assert protocol["Seeds"].startswith("3 seeds (0, 1, 2);")
    assert "500 training and 1,000 test images in 10 classes" in protocol["Images"]
    assert protocol["Budget"] == "117,000 iterations at 500; 40,000 iterations at 100 images."
    assert "2.6 at iteration 1 of n500/non/seed0" in protocol["First steps"]
    assert "learning rate 0.1, multiplied by 0.1 at 33 % and 66 % of the budget, momentum 0.9" in protocol["Training"]
    assert (
        "λ drawn from Beta(2, 1) once per batch; label-mix: images and labels are mixed as in mixup, λ drawn from "
        "Beta(1, 1) once per batch." in (protocol["Methods"])
    )
    every = "Test images are evaluated every 390 iterations, and at the end; at the same moments up to 10,000 unmixed"
    assert any(text.startswith(every) for text in protocol.values())
    assert any("last tenth of the budget holds 11 to 30 " in text for text in protocol.values())


def test_the_computing_time_is_the_sum_over_the_runs(page: PageText) -> None:
    """3 x (7,200 + 5,399 + 5,400 + 720 + 89 + 100) s = 56,724 s."""
    hardware = page.section("method", "dd")[page.section("method", "dt").index("Hardware")]
    assert hardware.startswith(
        "18 runs on cpu (a processor, 1 thread): torch 2.14.1, Python 3.11.7, fp32, Linux x86_64"
    )
    assert hardware.endswith(", memory kept, in huge pages; 15.8 h of computing.")
    rows = {row[0]: row[1] for row in page.tables["table-provenance"][1:]}
    assert rows["Environment 1: computing time"] == "15.8 h"
    assert rows["Environment 1: runs"] == "18"
    assert rows["Environment 1: memory"] == "kept, in huge pages"


def test_the_deviation_is_named(page: PageText) -> None:
    assert page.section("deviations", "li") == ["3 seeds instead of one"]


def test_descriptions_say_the_same_numbers(page: PageText) -> None:
    spoken = {section: " ".join(sentences(page, section, "desc")) for section in ("accuracy", "differences", "curves")}
    assert "With 100 images: non 28.0 % (3 seeds, 25.5 % to 30.5 %)" in spoken["accuracy"]
    assert "non - data-mix with 500 images: -13.0 points (interval -15.5 to -10.5)." in spoken["differences"]
    assert (
        "label-mix with 500 images ends at training loss 1.250 as optimised, 0.420 on clean training images and 1.750 "
        "on test images (lowest 1.400)."
    ) in spoken["curves"]
    assert "label-mix 55.4 % on test and 82.0 % on clean training images" in spoken["curves"]


def test_the_page_is_of_the_study(page: PageText, hand_study: SyntheticStudy) -> None:
    assert page.section("", "h1") == [hand_study.study.title]
    assert page.section("", "p")[-1].startswith("non: nothing is mixed; data-mix: images are mixed, the label of the")
    sizes, methods, seeds = page.section("", "p")[-2].split(" · ")[-1].split(" \N{MULTIPLICATION SIGN} ")
    assert (sizes, methods, seeds) == ("2 training-set sizes", "3 methods", "3 seeds")


def test_what_picking_the_best_adds_to_a_difference_is_said(page: PageText) -> None:
    """Over both sizes the differences of label-mix and non are by best 5.75, 4.25, 5, by last 5.2, 4.7, 5.7 points.

    That adds 0.55, -0.45, -0.7, whose mean is -0.2 and whose deviation 0.661: 4.303 x 0.661 / sqrt(3) = 1.64.
    """
    assert (
        "What this adds to a difference between methods, averaged over all sizes, best minus last accuracy: +0.50 "
        "points to non - data-mix (95 % interval -1.98 to +2.98), -0.20 points to label-mix - non (95 % interval -1.84 "
        "to +1.44) and +0.30 points to label-mix - data-mix (95 % interval -0.78 to +1.38). No interval excludes zero, "
        "so that no bias of a comparison is certain."
    ) in sentences(page, "selection", "p")[0]


def test_the_width_of_three_seeds_is_said(page: PageText) -> None:
    wide = "The interval of three seeds is wide: it reaches 4.3 standard errors to either side, that of ten seeds 2.3"
    assert wide in dict(zip(page.section("method", "dt"), page.section("method", "dd"), strict=False))["Intervals"]
    for section in ("accuracy", "differences", "selection"):
        assert any(wide in text for text in page.section(section, "figcaption")), section


def test_what_the_scatter_consists_of_is_said(page: PageText) -> None:
    assert any(text.startswith("All 3 seeds share one subset") for text in sentences(page, "differences", "p"))
