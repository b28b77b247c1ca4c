"""Protects the methods: what each does to images, labels and features, against loops written down anew.

Every loop goes over single pixels or single rows. Where torchvision or PyTorch has the method, it is asked as well.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from smallmix.science.method import Draws, drawn_tables, find_method
from smallmix.science.methods.manifold_mixup import ManifoldMixup
from smallmix.science.methods.random_erasing import RandomErasing
from torch.nn import functional
from torchvision.transforms import v2

from tests.every_method import EVERY_MIX, method_value
from tests.unit.science.method_batch import CLASSES, IMAGES, MANY, Batch, tables_of
from tests.unit.science.staged_network import TwoStages

ONE_WEIGHT_EACH = ("images-per-image", "images-and-labels-per-image")
MIXED_LABELS = ("images-and-labels", "images-and-labels-per-image", "cutmix", "manifold-mixup")


def expected_shares(batch: Batch, own_shares: list[float]) -> NDArray[np.float64]:
    """Own label with a share, the partner's with the rest, by a loop."""
    shares = np.zeros((IMAGES, CLASSES))
    for place in range(IMAGES):
        shares[place, int(batch.labels[place])] += own_shares[place]
        shares[place, int(batch.labels[batch.partner[place]])] += 1 - own_shares[place]
    return shares


def cross_entropy(batch: Batch, shares: NDArray[np.float64]) -> float:
    total = 0.0
    for place in range(IMAGES):
        logits = [float(logit) for logit in batch.logits[place]]
        normaliser = math.log(math.fsum(math.exp(logit) for logit in logits))
        total -= math.fsum(shares[place, c] * (logits[c] - normaliser) for c in range(CLASSES))
    return total / IMAGES


@pytest.mark.parametrize("mix", EVERY_MIX)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_targets_sum_to_one_and_the_loss_is_the_cross_entropy_against_them(mix: str, seed: int) -> None:
    """A method may compute its loss in a shorter way; what it tells of its targets must be that loss's targets."""
    batch = Batch(method_value(mix, (2.0, 1.0)), seed=seed)
    shares = batch.targets().astype(np.float64)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert batch.loss() == pytest.approx(cross_entropy(batch, shares), rel=1e-5)
    own = shares[np.arange(IMAGES), batch.labels.numpy()]
    assert (own < 1).any() == (mix in (*MIXED_LABELS, "label-smoothing"))


@pytest.mark.parametrize("mix", ONE_WEIGHT_EACH)
@pytest.mark.parametrize("seed", [0, 1])
def test_each_image_is_mixed_with_a_weight_of_its_own(mix: str, seed: int) -> None:
    batch = Batch(method_value(mix, (2.0, 1.0)), seed=seed)
    weights = batch.drawn["image_weight"]
    assert len(set(weights.tolist())) == IMAGES
    for place, mixed in enumerate(batch.mixed()):
        other = batch.images[batch.partner[place]]
        wanted = float(weights[place]) * batch.images[place].double() + (1 - float(weights[place])) * other.double()
        np.testing.assert_allclose(mixed, wanted, atol=1e-6)
    own_shares = [1.0] * IMAGES if mix == "images-per-image" else [float(weight) for weight in weights]
    np.testing.assert_allclose(batch.targets(), expected_shares(batch, own_shares), atol=1e-6)


@pytest.mark.parametrize("mix", ONE_WEIGHT_EACH)
def test_weights_of_images_follow_the_beta_distribution_and_do_not_hang_together(mix: str) -> None:
    weights = tables_of(method_value(mix, (2.0, 1.0)), MANY // IMAGES)["image_weight"].astype(np.float64)
    assert stats.kstest(weights.ravel(), stats.beta(2, 1).cdf).pvalue > 0.001
    within = np.corrcoef(weights[:, 0], weights[:, 1])[0, 1]
    assert abs(within) < 4 / len(weights) ** 0.5


def box_by_hand(batch: Batch, side: int) -> tuple[NDArray[np.bool_], float]:
    """Which pixels CutMix pastes, pixel by pixel, and the share of the others. The arithmetic is that of float32."""
    half = math.floor(np.float32(batch.drawn["half"]) * np.float32(side))
    y = math.floor(np.float32(batch.drawn["centre_y"]) * np.float32(side))
    x = math.floor(np.float32(batch.drawn["centre_x"]) * np.float32(side))
    pasted = np.zeros((side, side), dtype=bool)
    for row in range(side):
        for column in range(side):
            pasted[row, column] = y - half <= row < y + half and x - half <= column < x + half
    return pasted, 1 - int(pasted.sum()) / side**2


@pytest.mark.parametrize("side", [8, 28, 32])
@pytest.mark.parametrize("seed", range(8))
def test_cutmix_pastes_a_box_and_weights_labels_by_what_it_pasted(side: int, seed: int) -> None:
    batch = Batch(method_value("cutmix"), side, seed)
    pasted, own_share = box_by_hand(batch, side)
    mixed = batch.mixed()
    for place in range(IMAGES):
        own, other = batch.images[place].numpy(), batch.images[batch.partner[place]].numpy()
        assert np.array_equal(mixed[place][:, pasted], other[:, pasted])
        assert np.array_equal(mixed[place][:, ~pasted], own[:, ~pasted])
    np.testing.assert_allclose(batch.targets(), expected_shares(batch, [own_share] * IMAGES), atol=1e-6)


def test_cutmix_boxes_of_the_border_are_cut_off() -> None:
    """A box of half the side around the corner's pixel: a sixteenth of the image is left of it."""
    corner = {"half": np.float32(0.25), "centre_y": np.float32(0), "centre_x": np.float32(0)}
    batch = Batch(method_value("cutmix"), 32, tables=corner)
    assert (batch.mixed()[:, :, :8, :8] == batch.images[batch.partner][:, :, :8, :8].numpy()).all()
    np.testing.assert_allclose(batch.targets(), expected_shares(batch, [15 / 16] * IMAGES), atol=1e-6)
    middle = {"half": np.float32(0.5), "centre_y": np.float32(0.5), "centre_x": np.float32(0.5)}
    whole = Batch(method_value("cutmix"), 32, tables=middle)
    assert (whole.mixed() == whole.images[whole.partner].numpy()).all()
    np.testing.assert_allclose(whole.targets(), expected_shares(whole, [0.0] * IMAGES), atol=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_cutmix_is_torchvisions(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the same lambda and centre; its partners are the images before."""
    side = 32
    batch = Batch(method_value("cutmix"), side, seed)
    batch.partner.copy_(torch.arange(IMAGES).roll(1))
    half = float(batch.drawn["half"])
    assert abs(half * side - round(half * side)) > 1e-4  # neither rounding decides
    centres = [math.floor(float(batch.drawn[name]) * side) for name in ("centre_x", "centre_y")]
    transform = v2.CutMix(num_classes=CLASSES)
    monkeypatch.setattr(transform._dist, "sample", lambda shape: torch.tensor(1 - (2 * half) ** 2, dtype=torch.float64))
    monkeypatch.setattr(torch, "randint", lambda high, size: torch.tensor([centres.pop(0)]))
    images, labels = transform(batch.images.clone(), batch.labels)
    assert torch.equal(images, torch.from_numpy(batch.mixed()))
    np.testing.assert_allclose(batch.targets(), labels, atol=1e-6)


def test_cutmix_boxes_have_the_distribution_of_the_paper() -> None:
    tables = tables_of(method_value("cutmix", (0.6, 0.9)), MANY)
    own = 1 - (2 * tables["half"].astype(np.float64)) ** 2
    assert stats.kstest(own, stats.beta(0.6, 0.9).cdf).pvalue > 0.001
    for name in ("centre_y", "centre_x"):
        assert stats.kstest(tables[name], "uniform").pvalue > 0.001
        assert 0 <= tables[name].min() <= tables[name].max() < 1
    corner = np.corrcoef([own, tables["centre_y"], tables["centre_x"]])
    assert np.abs(corner - np.eye(3)).max() < 4 / MANY**0.5


@pytest.mark.parametrize("mix", ["images-and-labels", "images-and-labels-per-image", "manifold-mixup"])
def test_mixing_is_torchvisions_mixup(mix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = 0.3
    drawn = {"image_weight": np.full(IMAGES, weight, np.float32) if mix.endswith("per-image") else np.float32(weight),
             "label_weight": np.float32(weight), "stage": np.int64(0)}  # fmt: skip
    batch = Batch(method_value(mix), tables=drawn)
    batch.partner.copy_(torch.arange(IMAGES).roll(1))
    transform = v2.MixUp(num_classes=CLASSES)
    monkeypatch.setattr(transform._dist, "sample", lambda shape: torch.tensor(weight))
    images, labels = transform(batch.images.clone(), batch.labels)
    np.testing.assert_allclose(batch.mixed(), images, atol=1e-6)
    np.testing.assert_allclose(batch.targets(), labels, atol=1e-6)


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_manifold_mixup_mixes_at_the_drawn_stage_and_nowhere_else(stage: int) -> None:
    weight = np.float32(0.3)
    batch = Batch(method_value("manifold-mixup"), tables={"stage": np.int64(stage), "label_weight": weight})
    network = TwoStages(CLASSES)
    mixed = batch.method.mix(batch.images, batch.row)
    logits = network(mixed, lambda features, at: batch.method.mix_features(features, at, batch.row))
    features = batch.images
    for at, layer in enumerate((None, network.first, network.second)):
        features = features if layer is None else layer(features).relu()
        if at == stage:
            rows = [
                float(weight) * features[i] + (1 - float(weight)) * features[batch.partner[i]] for i in range(IMAGES)
            ]
            features = torch.stack(rows)
    expected = network.last(features.mean(dim=(2, 3)))
    torch.testing.assert_close(logits, expected)
    gradients = [torch.autograd.grad(out.square().sum(), network.first.weight)[0] for out in (logits, expected)]
    torch.testing.assert_close(*gradients)
    assert torch.equal(mixed, batch.images) == (stage != 0)
    np.testing.assert_allclose(batch.targets(), expected_shares(batch, [float(weight)] * IMAGES), atol=1e-6)


def test_manifold_mixup_leaves_stages_that_are_not_named() -> None:
    batch = Batch(method_value("manifold-mixup", stages=[2]))
    assert batch.method.mix(batch.images, batch.row) is batch.images
    assert batch.method.mix_features(batch.images, 1, batch.row) is batch.images
    assert batch.method.mix_features(batch.images, 2, batch.row) is not batch.images


def test_mixed_features_keep_their_precision_and_an_undrawn_stage_every_bit() -> None:
    batch = Batch(method_value("manifold-mixup"), tables={"stage": np.int64(1), "label_weight": np.float32(0.3)})
    for dtype in (torch.float32, torch.bfloat16):
        features = batch.images.to(dtype)
        assert torch.equal(batch.method.mix_features(features, 2, batch.row), features)
        assert batch.method.mix_features(features, 1, batch.row).dtype == dtype
        in_channels_last = features.contiguous(memory_format=torch.channels_last)
        mixed = batch.method.mix_features(in_channels_last, 1, batch.row)
        assert mixed.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("stages", [[0, 1, 2], [3], [1, 4]])
def test_manifold_mixups_stages_are_equally_frequent(stages: list[int]) -> None:
    tables = tables_of(method_value("manifold-mixup", (2.0, 2.0), stages=stages), MANY)
    found, counts = np.unique(tables["stage"], return_counts=True)
    assert found.tolist() == sorted(stages)
    assert (np.abs(counts - MANY / len(stages)) < 4 * MANY**0.5).all()
    weights = tables["label_weight"].astype(np.float64)
    assert stats.kstest(weights, stats.beta(2, 2).cdf).pvalue > 0.001
    if len(stages) > 1:
        assert abs(np.corrcoef(weights, tables["stage"])[0, 1]) < 4 / MANY**0.5


@pytest.mark.parametrize("smoothing", [0.1, 0.3, 0.9])
def test_label_smoothing_is_pytorchs(smoothing: float) -> None:
    batch = Batch(method_value("label-smoothing", smoothing=smoothing))
    expected = functional.cross_entropy(batch.logits, batch.labels, label_smoothing=smoothing)
    assert batch.loss() == pytest.approx(float(expected), rel=1e-5)
    for place, shares in enumerate(batch.targets()):
        for number, share in enumerate(shares):
            own = 1 - smoothing if number == batch.labels[place] else 0.0
            assert share == pytest.approx(own + smoothing / CLASSES, abs=1e-6)
    assert batch.method.mix(batch.images, batch.row) is batch.images


@pytest.mark.parametrize("mix", EVERY_MIX)
def test_methods_that_take_arrays_give_the_same_for_arrays_and_tensors(mix: str) -> None:
    batch = Batch(method_value(mix))
    images: Any = batch.images.numpy()
    if not batch.method.mixes_arrays:
        with pytest.raises((AttributeError, TypeError)):
            batch.method.mix(images, arrays_of(batch))
        return
    mixed = batch.method.mix(images, arrays_of(batch))
    np.testing.assert_allclose(mixed, batch.mixed(), atol=1e-6)
    one_hot: Any = np.eye(CLASSES, dtype=np.float32)[batch.labels.numpy()]
    shares = batch.method.target(one_hot, arrays_of(batch))
    np.testing.assert_allclose(shares, batch.targets(), atol=1e-6)


def arrays_of(batch: Batch) -> Any:
    """Return the batch's row with arrays in place of tensors."""
    changed: dict[str, Any] = {"partner": batch.partner.numpy(), "drawn": batch.drawn}
    return dataclasses.replace(batch.row, **changed)


@pytest.mark.parametrize("mix", EVERY_MIX)
def test_tables_are_those_of_seed_size_and_chunk(mix: str) -> None:
    method = find_method(method_value(mix))
    first, again = (drawn_tables(method, Draws(50, 8, 3, 100, 1)) for _ in range(2))
    assert all(np.array_equal(first[name], again[name]) for name in again)
    for other in (Draws(50, 8, 4, 100, 1), Draws(50, 8, 3, 101, 1), Draws(50, 8, 3, 100, 2)):
        for name, table in drawn_tables(method, other).items():
            assert not np.array_equal(first[name], table), name


def test_values_give_methods_with_their_parameters() -> None:
    assert find_method(method_value("manifold-mixup", (2.0, 3.0), stages=[1])) == ManifoldMixup((2.0, 3.0), (1,))
    erasing = method_value("random-erasing", probability=0.25)
    assert find_method(erasing) == RandomErasing(0.25, (0.02, 0.4), (0.3, 3.3))


@pytest.mark.parametrize("mix", EVERY_MIX)
def test_batches_are_mixed_without_a_word(mix: str) -> None:
    """Neither a warning nor another type, for layouts of memory as a GPU has them."""
    batch = Batch(method_value(mix))
    images = batch.images.contiguous(memory_format=torch.channels_last)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixed = batch.method.mix(images, batch.row)
    assert (mixed.dtype, mixed.shape) == (torch.float32, images.shape)
    assert mixed.is_contiguous(memory_format=torch.channels_last)
