"""Pictures as `--tile` looks at them: whole, and in tiles at native resolution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from backbones.errors import HoopoeError
from detector.data.config import DataConfig
from detector.data.images import read_image
from detector.data.loader import START_METHOD, quiet_worker, worker_count
from detector.data.packed import Annotations
from detector.data.resizing import SizeRule, resize
from detector.models.tiling import View, tiled_views


@dataclass(frozen=True, eq=False)
class TiledImage:
    """One image in its views.

    Args:
        id: The image's.
        size_wh: Its width and height.
        views: The whole picture first, then its tiles.
        pictures: uint8 (3, H, W) a view, at its network size.
    """

    id: int
    size_wh: tuple[int, int]
    views: list[View]
    pictures: list[Tensor]


class TiledDataset(Dataset[TiledImage]):
    """Images by their places; one that cannot be read is handed over as its error, which a worker could not raise.

    Args:
        annotations: The images.
        rule: The size that images have in the network.
    """

    def __init__(self, annotations: Annotations, rule: SizeRule) -> None:
        self.annotations = annotations.labelled_images()
        self.rule = rule

    def __getitem__(self, place: int) -> TiledImage | HoopoeError:  # type: ignore[override]
        record = self.annotations[place]
        size_wh = (record.width, record.height)
        try:
            pixels = read_image(record.path, size_wh)
        except HoopoeError as error:
            return error
        views = tiled_views(size_wh, self.rule)
        resized = [resize(np.ascontiguousarray(view.cut(pixels)), view.size_wh) for view in views]
        pictures = [torch.from_numpy(np.ascontiguousarray(each.transpose(2, 0, 1))) for each in resized]
        return TiledImage(record.id, size_wh, views, pictures)


def tiled_loader(dataset: TiledDataset, places: Sequence[int], config: DataConfig) -> Iterator[TiledImage]:
    """The images at these places, read by worker processes.

    Raises:
        MediaError, DataError: A picture cannot be read, or has not the size of its record.
    """
    workers = worker_count(config.workers)
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=list(places),
        num_workers=workers,
        worker_init_fn=quiet_worker,
        prefetch_factor=config.prefetch if workers else None,
        multiprocessing_context=START_METHOD if workers else None,
        generator=torch.Generator(),
    )
    for image in loader:
        if isinstance(image, HoopoeError):
            raise image
        yield image
