"""Which methods are compared with which: the pairs that a study asks about, and no other.

Every further pair makes the family larger that Holm's correction answers for, and each single p-value weaker.
"""

from __future__ import annotations

from smallmix.statistics.method_roles import first_method, methods_with
from smallmix.statistics.protocol import BETA
from smallmix.study.cell import Mix
from smallmix.study.study import Study


def asked_pairs(study: Study) -> list[tuple[str, str]]:
    """(method, reference): each method that mixes against plain training, then the two ways of mixing.

    Of several Beta distributions, the article's stand for the two ways; where a way has several and none of them is
    the article's, the ways are not compared. Without plain training, the first method takes its place.
    """
    reference = first_method(study, "none") or study.methods[0]
    pairs = [(method, reference) for method in study.methods if method != reference]
    labels, images = _standing_for(study, "images-and-labels"), _standing_for(study, "images")
    if labels is not None and images is not None and reference not in (labels, images):
        pairs.append((labels, images))
    return pairs


def _standing_for(study: Study, mix: Mix) -> str | None:
    """The method that stands for a way of mixing: the only one, or the one with the article's distribution."""
    candidates = methods_with(study, mix)
    if len(candidates) == 1:
        return candidates[0]
    beta = BETA[mix]
    wanted = None if beta is None else list(beta)
    return next((name for name in candidates if study.configuration["methods"][name]["beta"] == wanted), None)
