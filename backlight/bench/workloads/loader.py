"""An epoch over a tree of JPEGs: decoded in worker processes, cut at random, scaled, normalised.

The peer is PyTorch's DataLoader with a Dataset of Pillow's transforms, which is how it is written
without a further library. Both cut out the same windows, with as many workers as there are
processors, that stay from epoch to epoch. The time is that of one image.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from backlight.bench.peer import EAGER
from backlight.bench.workload import Material, Ready, Target, Workload

CLASSES, EACH, SIZE, BATCH, SEED = 16, 32, 224, 64, 0
WIDTH, HEIGHT, COARSE, QUALITY = 500, 375, 12, 90
IMAGES = CLASSES * EACH
MEAN, STD = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)


def material() -> Material:
    """The folder, which is made once and kept, and how many workers there may be."""
    return {"folder": _tree(), "workers": _processors()}


def ours(given: Material) -> Ready:
    """Backlight's ImageFolder and DataLoader."""
    from backlight.data import DataLoader, ImageFolder, Normalize

    loader = DataLoader(
        ImageFolder(given["folder"], SIZE, "random"),
        BATCH,
        seed=SEED,
        transform=Normalize(MEAN, STD),
        num_workers=given["workers"],
    )

    def epoch() -> list[Any]:
        loader.set_epoch(0)
        return [inputs[:, :, ::16, ::16].copy() for inputs, _ in loader]

    return Ready(epoch, lambda found: [np.concatenate(found)], IMAGES)


def torch(given: Material) -> Ready:
    """PyTorch's DataLoader over a Dataset that reads with Pillow."""
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(
        Pillows(given["folder"]),
        BATCH,
        num_workers=given["workers"],
        persistent_workers=True,
    )
    return Ready(
        lambda: [inputs[:, :, ::16, ::16].clone() for inputs, _ in loader],
        lambda found: [np.concatenate([one.numpy() for one in found])],
        IMAGES,
    )


class Pillows:
    """The same images by Pillow: opened, cut, scaled, mirrored, and made a normalised tensor."""

    def __init__(self, folder: str) -> None:
        import torch

        from backlight.data.draw import Draw

        self.paths = sorted(Path(folder).glob("*/*"))
        self.numbers = Draw(SEED, 0, np.arange(IMAGES), 2).uniform(23)
        self.mean = torch.tensor(MEAN)[:, None, None] / 255
        self.std = torch.tensor(STD)[:, None, None] / 255

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index: int) -> tuple[Any, int]:
        import torch
        from PIL import Image

        from backlight.data.image_folder import random_window

        numbers = self.numbers[index]
        with Image.open(self.paths[index]) as file:
            image = file.convert("RGB")
        top, left, down, across = random_window(numbers)(image.height, image.width)
        box = (left, top, left + across, top + down)
        image = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
        if numbers[0] < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        values = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        return (values.float() / 255 - self.mean) / self.std, index // EACH


def _tree() -> str:
    """Like photographs in size, coarseness and noise, 70 kB each, in a folder of the user's own."""
    from PIL import Image

    cache = Path.home() / ".cache" / "backlight"
    folder = cache / f"bench-loader-{CLASSES}x{EACH}"
    if folder.is_dir():
        return str(folder)
    cache.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="bench-loader-", dir=cache))
    random = np.random.default_rng(0)
    for label in range(CLASSES):
        (made / f"class{label:03d}").mkdir()
        for number in range(EACH):
            shape = (HEIGHT // COARSE, WIDTH // COARSE, 3)
            coarse = Image.fromarray(random.integers(0, 256, shape).astype(np.uint8))
            smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
            noise = random.integers(-12, 13, smooth.shape)
            image = Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))
            image.save(made / f"class{label:03d}" / f"{number:03d}.jpg", quality=QUALITY)
    try:
        made.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(made)
    return str(folder)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


WORKLOADS = [
    Workload(
        name="loader",
        title="a JPEG read, cut to 224², batched",
        material=material,
        contenders={EAGER: ours, "torch": torch},
        targets=(Target(1.0),),
        tolerance=1e-4,
    )
]
