"""One study computed by hand, with all its tables and its page, for every test of what people read."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure

from tests.hand_study import build_hand_study
from tests.study_outputs import PageText, store_reversed, write_page, write_tables
from tests.synthetic_study import CODE_FINGERPRINT, SyntheticStudy


@pytest.fixture(scope="session")
def hand_study(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    """The study with its tables; the pair of data-mix and non is stored reversed, as another version might have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smallmix.tables.collect.training_code", lambda cell: CODE_FINGERPRINT)
        made = build_hand_study(tmp_path_factory.mktemp("hand"))
        write_tables(made)
    store_reversed(made, "data-mix", "non")
    return made


@pytest.fixture(scope="session")
def page(hand_study: SyntheticStudy) -> PageText:
    """The study's page. The PNG files, which take half of the time and are not on it, are empty."""
    save = Figure.savefig

    def save_but_png(figure: Figure, target: Any, **options: Any) -> None:
        if options.get("format") != "png":
            save(figure, target, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", save_but_png)
        return PageText(write_page(hand_study))
