"""Which of a study's methods plays which part. A method is known by what it mixes, never by its name."""

from __future__ import annotations

from smallmix.study.cell import Mix
from smallmix.study.published import Protocol, Published
from smallmix.study.study import Study


def first_method(study: Study, mix: Mix) -> str | None:
    """Return the name of the study's first method that mixes this, or None."""
    return next(iter(methods_with(study, mix)), None)


def methods_with(study: Study, *mixes: Mix) -> list[str]:
    """Return the names of the study's methods that mix one of these, in the study's order."""
    return [name for name in study.methods if study.configuration["methods"][name]["mix"] in mixes]


def method_as_published(study: Study, mix: Mix, protocol: Protocol) -> str | None:
    """Return the study's method that mixes this: with the published distribution if there is one, else the first."""
    candidates = methods_with(study, mix)
    published = protocol.method_that_mixes(mix)
    exact = [name for name in candidates if published is not None and beta_of(study, name) == published.beta]
    return next(iter([*exact, *candidates]), None)


def method_for(study: Study, name: str, published: Published) -> str | None:
    """Return the study's method that means what a published name means; a study's own names are free.

    Names whose meaning the published protocol does not state are looked up as they are. None where there is no such
    method.
    """
    meaning = published.protocol.methods.get(name)
    if meaning is None:
        return name if name in study.methods else None
    return method_as_published(study, meaning.mix, published.protocol)


def beta_of(study: Study, method: str) -> tuple[float, ...] | None:
    """Return the two parameters of a method's Beta distribution, or None where nothing is mixed."""
    beta = study.configuration["methods"][method].get("beta")
    return None if beta is None else tuple(float(value) for value in beta)
