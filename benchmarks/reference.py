"""The reference: training in the structure of PyTorch's and torchvision's own examples, written for this comparison.

A Dataset that makes a PIL image of every item, torchvision's transforms, a DataLoader with shuffling, an eager loop in
the ordinary memory format, the network as it is usually written, the plain optimiser with a rate set by hand, mixup
with one weight per batch. The network's layers have the names that they have in smallmix, so that both can be given the
same weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.workload import BATCH_SIZE, CLASSES, Workload

BLOCKS_A_STAGE = 2
STAGES = 4


class PictureDataset(Dataset[tuple[Tensor, int]]):
    """Items as torchvision's CIFAR10 gives them: array to PIL image to transforms."""

    def __init__(self, workload: Workload) -> None:
        self._pixels, self._labels = workload.pixels(), workload.labels()
        steps = [transforms.RandomCrop(workload.side, padding=workload.padding)]
        if workload.flip:
            steps.append(transforms.RandomHorizontalFlip())
        channels = workload.channels
        steps += [transforms.ToTensor(), transforms.Normalize([0.5] * channels, [0.25] * channels)]
        self._transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = self._pixels[index]
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        return self._transform(image), int(self._labels[index])


def batches_without_end(workload: Workload, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of a shuffling DataLoader, epoch after epoch."""
    loader = DataLoader(
        PictureDataset(workload),
        batch_size=BATCH_SIZE,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )
    while True:
        yield from loader


class ReferenceTraining:
    """An eager training loop; `steps` takes some steps of it and waits for them."""

    def __init__(self, workload: Workload, workers: int, device: torch.device) -> None:
        self._batches = batches_without_end(workload, workers)
        self._device = device
        self._model = UsualNetwork(workload.width, workload.channels, CLASSES).to(device)
        self._optimizer = torch.optim.SGD(self._model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        self._random = np.random.default_rng(0)
        self._loss_sum = 0.0

    def steps(self, count: int) -> None:
        """Take `count` steps."""
        self._model.train()
        for _ in range(count):
            images, labels = (part.to(self._device, non_blocking=True) for part in next(self._batches))
            weight = float(self._random.beta(1.0, 1.0))
            partner = torch.randperm(len(labels), device=self._device)
            logits = self._model(weight * images + (1 - weight) * images[partner])
            loss = weight * functional.cross_entropy(logits, labels)
            loss = loss + (1 - weight) * functional.cross_entropy(logits, labels[partner])
            for group in self._optimizer.param_groups:
                group["lr"] = 0.1
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            self._loss_sum += loss.item()


class UsualBlock(nn.Module):
    """BN-ReLU-conv twice, with a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        if stride != 1 or channels_in != channels_out:
            self.projection = nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        activated = functional.relu(self.norm1(features))
        shortcut = self.projection(activated) if hasattr(self, "projection") else features
        hidden = self.conv2(functional.relu(self.norm2(self.conv1(activated))))
        output: Tensor = hidden + shortcut
        return output


class UsualNetwork(nn.Module):
    """Pre-activation ResNet-18 for images float32 [B, C, H, W]; logits float32 [B, classes]."""

    def __init__(self, width: int, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        blocks, channels_in = [], width
        for stage in range(STAGES):
            for block in range(BLOCKS_A_STAGE):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(UsualBlock(channels_in, width * 2**stage, stride))
                channels_in = width * 2**stage
        self.stages = nn.Sequential(*blocks)
        self.final_norm = nn.BatchNorm2d(channels_in)
        self.classifier = nn.Linear(channels_in, classes)

    def forward(self, images: Tensor) -> Tensor:
        features = functional.relu(self.final_norm(self.stages(self.stem(images))))
        logits: Tensor = self.classifier(functional.adaptive_avg_pool2d(features, 1).flatten(1))
        return logits
