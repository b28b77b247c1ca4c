"""From stored images to a batch that the network sees: crop, flip, normalise, mix.

Images stay uint8 until they are gathered. The random crop pads with black in pixel space, before normalisation; the
results equal torchvision's RandomCrop(padding), RandomHorizontalFlip, ToTensor and Normalize bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Normalization:
    """Channel means and deviations of pixel / 255, float32 [C, 1, 1]."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, mean: list[float], deviation: list[float], device: torch.device) -> Normalization:
        """The normalisation by channel; a channel without any variation is only shifted."""
        safe = [value if value > 0 else 1.0 for value in deviation]
        return cls(
            torch.tensor(mean, dtype=torch.float32, device=device)[:, None, None],
            torch.tensor(safe, dtype=torch.float32, device=device)[:, None, None],
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise uint8 [B, C, H, W] to float32 of the same shape."""
        return images.to(torch.float32).div_(255).sub_(self.mean).div_(self.deviation)


def crop_windows(images: Tensor, padding: int) -> Tensor:
    """A view of every crop of every image: uint8 [N, C, H, W] gives [N, 2p+1, 2p+1, C, H, W].

    Only the zero-padded images take memory; windows[rows, y, x] gathers and crops in one step.
    """
    height, width = images.shape[2:]
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    return padded.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5)


def gather_batch(windows: Tensor, rows: Tensor, crop_y: Tensor, crop_x: Tensor, flip: Tensor) -> Tensor:
    """The cropped and flipped images of a batch, uint8 [B, C, H, W].

    rows, crop_y and crop_x are int64 [B], flip is bool [B].
    """
    crops = windows[rows, crop_y, crop_x]
    return torch.where(flip[:, None, None, None], crops.flip(-1), crops)


def mix_images(images: Tensor, partner: Tensor, image_weight: Tensor) -> Tensor:
    """weight x image + (1 - weight) x partner's image; float32 [B, C, H, W], weight a float32 scalar in [0, 1]."""
    return images * image_weight + images[partner] * (1 - image_weight)
