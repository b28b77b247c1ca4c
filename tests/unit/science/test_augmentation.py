"""Protects the augmentation: bit for bit what torchvision's transforms give, borders included."""

from __future__ import annotations

import numpy
import torch
from PIL import Image
from smallmix.science.mixing import mix_images
from smallmix.science.training_step import Normalization, crop_windows, gather_batch
from torchvision.transforms import functional as torchvision_functional
from torchvision.transforms import v2

from tests.unit.science.training_cells import random_pixels

MEAN, DEVIATION = [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]
CPU = torch.device("cpu")


def torchvision_image(pixels: torch.Tensor, padding: int, top: int, left: int, flip: bool) -> torch.Tensor:
    """Draw one image (uint8 [C, H, W]) by torchvision's own functions, from a PIL image on, as DataLoaders do."""
    channels, height, width = pixels.shape
    array = pixels.permute(1, 2, 0).numpy()
    image = Image.fromarray(array[..., 0] if channels == 1 else array)
    image = torchvision_functional.pad(image, [padding])
    image = torchvision_functional.crop(image, top, left, height, width)
    if flip:
        image = torchvision_functional.hflip(image)
    tensor = torchvision_functional.to_tensor(image)
    normalized: torch.Tensor = torchvision_functional.normalize(tensor, MEAN[:channels], DEVIATION[:channels])
    return normalized


def check_draws(side: int, channels: int, padding: int, draws: int) -> None:
    random = numpy.random.default_rng(side + channels + padding)
    pixels = random_pixels(50, side, channels)
    rows = torch.from_numpy(random.integers(0, 50, draws))
    top, left = (torch.from_numpy(random.integers(0, 2 * padding + 1, draws)) for _ in range(2))
    # All borders and corners are among the draws for certain.
    extremes = [(y, x) for y in (0, padding, 2 * padding) for x in (0, padding, 2 * padding)]
    for number, (y, x) in enumerate(extremes):
        top[number], left[number] = y, x
    flip = torch.from_numpy(random.random(draws) < 0.5)
    ours = Normalization.of(MEAN[:channels], DEVIATION[:channels], CPU)(
        gather_batch(crop_windows(pixels, padding), rows, top, left, flip)
    )
    for number in range(draws):
        expected = torchvision_image(
            pixels[rows[number]], padding, int(top[number]), int(left[number]), bool(flip[number])
        )
        assert torch.equal(ours[number], expected), f"draw {number}"


def test_a_thousand_draws_equal_torchvision_bit_for_bit() -> None:
    check_draws(side=32, channels=3, padding=4, draws=1000)


def test_grey_images_and_other_borders_equal_torchvision_too() -> None:
    check_draws(side=8, channels=1, padding=1, draws=300)
    check_draws(side=9, channels=3, padding=0, draws=50)
    check_draws(side=8, channels=3, padding=12, draws=200)


def test_every_pixel_value_is_normalised_as_torchvision_does() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    ours = Normalization.of([0.31], [0.17], CPU)(pixels)[0]
    expected = torchvision_functional.normalize(
        torchvision_functional.to_tensor(Image.fromarray(pixels[0, 0].numpy())), [0.31], [0.17]
    )
    assert torch.equal(ours, expected)


def test_a_channel_without_variation_is_only_shifted() -> None:
    normalized = Normalization.of([0.0], [0.0], CPU)(torch.full((1, 1, 8, 8), 255, dtype=torch.uint8))
    assert torch.equal(normalized, torch.ones(1, 1, 8, 8))


def test_all_crops_together_take_no_more_memory_than_the_padded_images() -> None:
    windows = crop_windows(random_pixels(10, 32), 4)
    assert windows.shape == (10, 9, 9, 3, 32, 32)
    assert windows.untyped_storage().nbytes() == 10 * 3 * 40 * 40


def test_images_are_mixed_as_torchvision_s_mixup_mixes_them() -> None:
    """torchvision's MixUp pairs each image with the one before it; the weight is fixed for both."""
    images = Normalization.of(MEAN, DEVIATION, CPU)(random_pixels(16))
    labels = torch.arange(16) % 10
    for weight in (0.0, 0.25, 0.7, 1.0):
        mixup = v2.MixUp(num_classes=10)
        mixup._dist = torch.distributions.Uniform(weight, weight + 1e-30, validate_args=False)
        expected_images, _ = mixup(images, labels)
        mixed = mix_images(images, torch.arange(16).roll(1), torch.tensor(weight))
        torch.testing.assert_close(mixed, expected_images, rtol=1e-6, atol=1e-6)


def test_full_weight_leaves_images_untouched_bit_for_bit() -> None:
    images = Normalization.of(MEAN, DEVIATION, CPU)(random_pixels(16))
    assert torch.equal(mix_images(images, torch.arange(16).roll(3), torch.tensor(1.0)), images)
