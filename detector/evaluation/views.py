"""Pictures in several views: as `--tile` looks at them, whole and in tiles, or as `--tta` does, mirrored and scaled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from backbones.errors import HoopoeError
from detector.data.config import DataConfig
from detector.data.images import read_image
from detector.data.loader import START_METHOD, quiet_worker, worker_count
from detector.data.packed import Annotations
from detector.data.resizing import SizeRule
from detector.models.prediction import image_tensor
from detector.models.tiling import View


@dataclass(frozen=True, eq=False)
class ViewedImage:
    """One image in its views.

    Args:
        id: The image's.
        size_wh: Its width and height.
        views: The whole picture first, then the others.
        pictures: uint8 (3, H, W) a view, at its network size.
    """

    id: int
    size_wh: tuple[int, int]
    views: list[View]
    pictures: list[Tensor]


class ViewedDataset(Dataset[ViewedImage]):
    """Images by their places; one that cannot be read is handed over as its error, which a worker could not raise.

    Args:
        annotations: The images.
        rule: The size that images have in the network.
        views_of: The views of a picture of a width and height: `tiled_views` or `augmented_views`.
    """

    def __init__(
        self, annotations: Annotations, rule: SizeRule, views_of: Callable[[tuple[int, int], SizeRule], list[View]]
    ) -> None:
        self.annotations = annotations.labelled_images()
        self.rule = rule
        self.views_of = views_of

    def __getitem__(self, place: int) -> ViewedImage | HoopoeError:  # type: ignore[override]
        record = self.annotations[place]
        size_wh = (record.width, record.height)
        try:
            pixels = read_image(record.path, size_wh)
        except HoopoeError as error:
            return error
        views = self.views_of(size_wh, self.rule)
        return ViewedImage(record.id, size_wh, views, [image_tensor(view.seen(pixels, self.rule)) for view in views])


def viewed_loader(dataset: ViewedDataset, places: Sequence[int], config: DataConfig) -> Iterator[ViewedImage]:
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
