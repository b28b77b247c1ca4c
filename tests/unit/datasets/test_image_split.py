"""Protects the division of a folder: stratified, the same again, kept when images come, and no likeness across it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smallmix.datasets.image_split import SplitImage, divide, read_split, split_file, split_table
from smallmix.errors import DatasetError
from smallmix.fingerprints import fingerprint_value


def images(labels: str, groups: list[int] | None = None, start: int = 0) -> list[SplitImage]:
    """One image a letter, which is its class."""
    return [
        SplitImage(
            fingerprint_value(start + place),
            label,
            (groups or list(range(len(labels))))[place],
            f"{label}/{start + place}.png",
        )
        for place, label in enumerate(labels)
    ]


def sides_of(pictures: list[SplitImage], sides: list[str]) -> dict[str, str]:
    return dict(zip((image.content for image in pictures), sides, strict=True))


@settings(max_examples=200, deadline=None)
@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=4),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**31 - 1),
)
def test_each_class_gives_its_share(counts: list[int], share: float, seed: int) -> None:
    labels = "".join("abcd"[place] * count for place, count in enumerate(counts))
    pictures = images(labels)
    tested = Counter(
        image.label for image, side in zip(pictures, divide(pictures, share, seed, {}), strict=True) if side == "test"
    )
    for place, count in enumerate(counts):
        assert tested["abcd"[place]] == min(max(1, round(share * count)), count - 1)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), share=st.floats(0.05, 0.6), seed=st.integers(0, 99))
def test_groups_stay_together_and_whoever_has_a_side_keeps_it(data: st.DataObject, share: float, seed: int) -> None:
    labels = data.draw(st.text("abc", min_size=2, max_size=30))
    groups = data.draw(st.lists(st.integers(0, 12), min_size=len(labels), max_size=len(labels)))
    pictures = images(labels, groups)
    few = data.draw(st.lists(st.sampled_from(pictures), unique=True))
    before = sides_of(few, divide(few, share, seed, {}))
    after = sides_of(pictures, divide(pictures, share, seed, before))
    assert {content: after[content] for content in before} == before
    for group in set(groups):
        assert len({after[image.content] for image in pictures if image.group == group} - {""}) == 1
    again = divide(list(reversed(pictures)), share, seed, before)
    assert sides_of(list(reversed(pictures)), again) == after, "the order of the files decides nothing"


def test_a_newcomer_that_is_like_both_sides_is_on_none() -> None:
    old = images("aabb")
    before = sides_of(old, divide(old, 0.5, 0, {}))
    one, other = (next(i for i, image in enumerate(old) if before[image.content] == side) for side in ("train", "test"))
    groups = [9 if place in (one, other) else place for place in range(4)]
    pictures = images("aabb", groups)
    newcomer = SplitImage(fingerprint_value("new"), "a", 9, "a/new.png")
    after = divide([*pictures, newcomer], 0.5, 0, before)
    assert after[:-1] == list(before.values())
    assert after[-1] == ""


def test_a_class_of_large_groups_gives_its_smallest_one() -> None:
    pictures = images("a" * 10, [0] * 6 + [6] * 4)
    assert divide(pictures, 0.2, 0, {}) == ["train"] * 6 + ["test"] * 4


def test_a_class_that_is_one_group_or_one_image_is_trained() -> None:
    pictures = images("aaabcc", [0, 0, 0, 3, 4, 5])
    assert divide(pictures, 0.5, 0, {})[:4] == ["train"] * 4


def test_another_seed_gives_another_division() -> None:
    pictures = images("a" * 40)
    assert divide(pictures, 0.5, 0, {}) != divide(pictures, 0.5, 1, {})


def test_a_given_division_never_changes() -> None:
    """Studies of earlier versions must find the same test images."""
    tested = [place for place, side in enumerate(divide(images("ab" * 10), 0.3, 7, {})) if side == "test"]
    assert tested == [5, 8, 10, 11, 14, 17]


def test_the_table_keeps_who_is_gone_and_survives_odd_paths(tmp_path: Path) -> None:
    odd = SplitImage(fingerprint_value("odd"), 'c,"a"\u2028t', 0, 'x/"a",\u2028.png')
    path = tmp_path / split_file(3, 0.25)
    assert path.name == "split-seed3-share0.25.csv"
    path.write_bytes(split_table([odd], ["train"], {}))
    known = read_split(path)
    path.write_bytes(split_table(images("ab"), ["test", "train"], known))
    assert {row[0] for row in read_split(path).values()} == {"train", "test"}
    assert read_split(path)[odd.content] == ("train", odd.label, odd.path)
    assert read_split(tmp_path / "none.csv") == {}


def test_who_is_left_out_is_not_in_the_table(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes(split_table(images("ab"), ["test", ""], {}))
    assert list(read_split(path)) == [images("a")[0].content]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"line 1: must be sha256,side,class,path"),
        ("a,b\n", r"line 1: must be"),
        ("sha256,side,class,path\nabc,train,a,b\n", r"line 2: must be a sha256"),
        (f"sha256,side,class,path\n{'0' * 64},left,a,b\n", r"line 2: must be a sha256, train or test"),
        (f"sha256,side,class,path\n{'0' * 64},test,a\n", r"line 2: must be"),
        (
            f"sha256,side,class,path\n{'0' * 64},test,a,b\n{'0' * 64},train,a,b\n",
            r"line 3: names the file 0+ a second time",
        ),
        ('sha256,side,class,path\n"', r"must be|cannot read"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DatasetError, match=message) as caught:
        read_split(path)
    assert "delete split.csv to have all images divided anew; then run again" in str(caught.value)
