"""Protects the batch plan: what each iteration sees, the same for all methods, and the same however it is reached."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from smallmix.science.batch_plan import ITERATIONS_PER_CHUNK, BatchPlan, PlanChunk, learning_rates

from tests.tiny_cell import MIXES
from tests.unit.science.training_cells import METHODS, make_cell

SHARED_TABLES = ("batch_sizes", "rows", "crop_y", "crop_x", "flip", "partner", "learning_rate")
# (size, last batch of an epoch) of batches of 128.
REMAINDERS = [(100, 100), (500, 116), (250, 122), (5000, 8), (128, 128), (256, 128), (129, 1)]


def whole_plan(plan: BatchPlan) -> list[PlanChunk]:
    chunks: list[PlanChunk] = []
    reached = 0
    while reached < plan.cell.iterations:
        chunks.append(plan.chunk(len(chunks)))
        assert chunks[-1].first_iteration == reached
        reached += len(chunks[-1])
    assert reached == plan.cell.iterations
    return chunks


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 700), st.sampled_from((1, 7, 32, 128)), st.integers(1, 5), st.integers(0, 2**31))
def test_every_image_is_seen_once_an_epoch(size: int, batch_size: int, epochs: int, seed: int) -> None:
    cell = make_cell(size, batch_size=batch_size, epochs=epochs, seed=seed)
    seen: list[int] = []
    for chunk in whole_plan(BatchPlan(cell)):
        for rows, count in zip(chunk.rows, chunk.batch_sizes, strict=True):
            seen += rows[:count].tolist()
    assert len(seen) == cell.images_seen == epochs * size
    for epoch in range(epochs):
        assert sorted(seen[epoch * size : (epoch + 1) * size]) == list(range(size))


@pytest.mark.parametrize(("size", "last"), REMAINDERS)
def test_the_last_smaller_batch_is_kept(size: int, last: int) -> None:
    cell = make_cell(size, epochs=2)
    sizes = [int(count) for chunk in whole_plan(BatchPlan(cell)) for count in chunk.batch_sizes]
    full = [min(size, 128)] * (cell.batches_per_epoch - 1)
    assert sizes == [*full, last] * 2


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 700), st.sampled_from((2, 7, 32, 128)), st.integers(1, 4), st.integers(0, 2**31))
def test_even_batches_show_every_image_once_an_epoch(size: int, batch_size: int, epochs: int, seed: int) -> None:
    cell = make_cell(size, batch_size=batch_size, epochs=epochs, seed=seed, last_batch="even")
    seen: list[int] = []
    sizes: list[int] = []
    for chunk in whole_plan(BatchPlan(cell)):
        assert chunk.rows.shape[1] == cell.epoch_batches.large
        for rows, partners, count in zip(chunk.rows, chunk.partner, chunk.batch_sizes, strict=True):
            seen += rows[:count].tolist()
            sizes.append(int(count))
            assert sorted(partners[:count].tolist()) == list(range(count))
    assert sizes == list(cell.epoch_batches) * epochs
    assert len(seen) == cell.images_seen == epochs * size
    for epoch in range(epochs):
        assert sorted(seen[epoch * size : (epoch + 1) * size]) == list(range(size))


@pytest.mark.parametrize(("size", "left"), [(130, 2), (300, 44), (129, 1)])
def test_dropped_images_change_from_epoch_to_epoch(size: int, left: int) -> None:
    cell = make_cell(size, epochs=40, last_batch="drop")
    left_out = []
    chunk = BatchPlan(cell).chunk(0)
    for epoch in chunk.rows.reshape(-1, cell.batches_per_epoch * 128)[:40]:
        assert len(set(epoch.tolist())) == size - left
        left_out.append(tuple(sorted(set(range(size)) - set(epoch.tolist()))))
    assert (chunk.batch_sizes == 128).all()
    assert {len(images) for images in left_out} == {left}
    assert len(set(left_out)) > 30


def test_nothing_is_dropped_where_the_remainder_is_all_there_is() -> None:
    cell = make_cell(9, epochs=3, last_batch="drop")
    chunk = BatchPlan(cell).chunk(0)
    assert chunk.batch_sizes.tolist() == [9, 9, 9]
    assert all(sorted(row.tolist()) == list(range(9)) for row in chunk.rows)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(0, 8), st.integers(0, 2**31))
def test_partners_permute_the_batch_and_crops_stay_within_the_border(size: int, padding: int, seed: int) -> None:
    chunk = BatchPlan(make_cell(size, crop_padding=padding, seed=seed, iterations=20)).chunk(0)
    for row, count in enumerate(chunk.batch_sizes):
        assert sorted(chunk.partner[row, :count].tolist()) == list(range(count))
        for crops in (chunk.crop_y, chunk.crop_x):
            assert crops[row, :count].min() >= 0
            assert crops[row, :count].max() <= 2 * padding


def all_tables(chunk: PlanChunk) -> dict[str, NDArray[Any]]:
    """Return every table of a chunk by name, with the batches' sizes."""
    return {"batch_sizes": chunk.batch_sizes, **chunk.tables}


@pytest.mark.parametrize("size", [100, 500, 5000])
def test_methods_share_all_tables_but_their_weights(size: int) -> None:
    chunks = [BatchPlan(make_cell(size, mix, seed=4, iterations=500)).chunk(1) for mix in MIXES]
    for name in SHARED_TABLES:
        first, *others = (getattr(chunk, name) for chunk in chunks)
        assert all(numpy.array_equal(first, other) for other in others), name
    none, images, both = chunks
    assert none.drawn == {}
    assert list(images.drawn) == ["image_weight"]
    assert (images.drawn["image_weight"] != 1).all()
    assert (both.drawn["image_weight"] == both.drawn["label_weight"]).all()
    assert not numpy.array_equal(images.drawn["image_weight"], both.drawn["image_weight"])


def test_seeds_and_chunks_have_other_draws() -> None:
    plans = [BatchPlan(make_cell(500, seed=seed, iterations=2000)) for seed in (0, 1)]
    for name in ("rows", "crop_y", "crop_x", "flip", "partner", "image_weight"):
        first, second = (plan.chunk(0).tables[name] for plan in plans)
        assert not numpy.array_equal(first, second), name
        assert not numpy.array_equal(first, plans[0].chunk(1).tables[name]), name


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 600), st.integers(0, 5), st.permutations(range(6)))
def test_a_chunk_is_the_same_however_it_is_reached(size: int, number: int, order: list[int]) -> None:
    cell = make_cell(size, iterations=6 * 900)
    alone = BatchPlan(cell).chunk(number)
    plan = BatchPlan(cell)
    among_others = {k: plan.chunk(k) for k in order}[number]
    for name in (*SHARED_TABLES, "image_weight", "label_weight"):
        assert numpy.array_equal(all_tables(alone)[name], all_tables(among_others)[name]), name


def test_a_longer_budget_begins_with_the_same_batches() -> None:
    short, long = (BatchPlan(make_cell(500, iterations=count)) for count in (130, 5000))
    for name in ("batch_sizes", "rows", "crop_y", "crop_x", "flip", "partner", "image_weight", "label_weight"):
        assert numpy.array_equal(all_tables(short.chunk(0))[name], all_tables(long.chunk(0))[name][:130]), name


@pytest.mark.parametrize("size", [100, 500, 50_000])
def test_chunks_are_whole_epochs(size: int) -> None:
    plan = BatchPlan(make_cell(size, epochs=1000))
    assert plan.iterations_per_chunk % plan.cell.batches_per_epoch == 0
    assert plan.iterations_per_chunk >= ITERATIONS_PER_CHUNK
    assert len(plan.chunk(0)) == plan.iterations_per_chunk


def test_chances_are_uniform() -> None:
    """Crop offsets, flips, partners and positions of 40 epochs of 1,000 images against their expectations."""
    cell = make_cell(1000, epochs=40, batch_size=100)
    chunks = whole_plan(BatchPlan(cell))
    draws = 40 * 1000
    for name in ("crop_y", "crop_x"):
        counts = numpy.bincount(numpy.concatenate([getattr(chunk, name).ravel() for chunk in chunks]), minlength=9)
        assert abs(counts - draws / 9).max() < 5 * (draws / 9 * 8 / 9) ** 0.5
    flips = sum(int(chunk.flip.sum()) for chunk in chunks)
    assert abs(flips - draws / 2) < 5 * (draws / 4) ** 0.5
    partners = numpy.concatenate([chunk.partner for chunk in chunks])
    fixed_points = int((partners == numpy.arange(100)).sum())  # a permutation has one on average, with variance one
    assert abs(fixed_points - len(partners)) < 5 * len(partners) ** 0.5
    first_images = numpy.concatenate([chunk.rows[:, 0] for chunk in chunks])
    assert abs(first_images.mean() - 499.5) < 5 * 288.7 / len(first_images) ** 0.5


def test_without_flips_and_border_nothing_is_moved() -> None:
    chunk = BatchPlan(make_cell(200, crop_padding=0, flip=False)).chunk(0)
    assert not chunk.flip.any()
    assert not chunk.crop_y.any()
    assert not chunk.crop_x.any()


@pytest.mark.parametrize("size", [100, 1000, 5000, 50_000])
def test_the_rate_falls_after_33_and_66_of_100_epochs(size: int) -> None:
    cell = make_cell(size, epochs=100)
    batches = cell.batches_per_epoch
    rates = learning_rates(cell, 0, cell.iterations).reshape(100, batches)
    assert (rates[:33] == numpy.float32(0.1)).all()
    assert rates[33:66] == pytest.approx(0.01)
    assert rates[66:] == pytest.approx(0.001)


@pytest.mark.parametrize(("iterations", "first", "second"), [(117_000, 38_610, 77_220), (40_000, 13_200, 26_400)])
def test_the_rate_falls_at_33_and_66_percent_of_the_iterations(iterations: int, first: int, second: int) -> None:
    cell = make_cell(250, iterations=iterations)
    rates = learning_rates(cell, 0, iterations)
    changes = (numpy.flatnonzero(numpy.diff(rates)) + 1).tolist()
    assert changes == [first, second]
    assert rates[[0, first, second]] == pytest.approx([0.1, 0.01, 0.001])


def test_the_rates_of_a_chunk_are_those_of_its_iterations() -> None:
    cell = make_cell(500, iterations=2000)
    plan = BatchPlan(cell)
    everything = learning_rates(cell, 0, 2000)
    chunk = plan.chunk(3)
    assert numpy.array_equal(chunk.learning_rate, everything[chunk.first_iteration :][: len(chunk)])


def test_the_article_s_grid_has_its_number_of_iterations() -> None:
    epochs = {size: make_cell(size, epochs=100).iterations for size in (50_000, 20_000, 10_000, 5000, 1000)}
    assert epochs == {50_000: 39_100, 20_000: 15_700, 10_000: 7900, 5000: 4000, 1000: 800}
    total = sum(epochs.values()) + 2 * 117_000 + 40_000
    assert len(METHODS) * total == 1_024_500
