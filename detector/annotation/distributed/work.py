"""What a worker does: it holds the models and the reading processes, and runs the local engine over its shards."""

from __future__ import annotations

import platform
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import torch

from backbones.errors import ConfigError
from detector.annotation.distributed.model_files import ModelFiles
from detector.annotation.facts import Rows, RowsOptions
from detector.annotation.importing.rows import imported_rows
from detector.annotation.local import LocalAnnotation
from detector.annotation.local_crops import LocalClassification
from detector.annotation.options import SeeingOptions, WorkOptions
from detector.annotation.readers import Readers
from detector.annotation.report import Outcome, Receipt
from detector.annotation.request import RunSettings, limited
from detector.annotation.running import Engine
from detector.annotation.values import BoxedItem, ClassifiedItem
from detector.base.devices import device_of
from detector.base.memory import keep_freed_memory
from detector.base.objects.address import Place
from detector.cluster.dispatch import ShardResult
from detector.cluster.work import Share, Stop
from detector.store.copies import address_of
from detector.store.facts import FactRow
from detector.store.presence import can_be_judged
from detector.store.writer import FactsWriter, write_facts
from detector.types import MediaItem

Item = TypeVar("Item")
Done = TypeVar("Done")

Run = Callable[[Sequence[Item], Stop], ShardResult[Done]]  # does a shard


def settings_of(share: Share, batch_size: int | None, device: str) -> RunSettings:
    """How a worker with this share goes about its work; its reading processes serve all of its shards."""
    place = torch.device(device)
    work = WorkOptions.chosen(place, batch_size, max(1, share.cores // 2 if place.type == "cpu" else share.cores))
    return RunSettings(work, quiet=True, readers=Readers(work.workers))


@dataclass(frozen=True)
class Places:
    """What a worker must see of the machine where the run began.

    Attributes:
        store: The store.
        staging: Its folder for parts; None: nothing is written, what is done comes back.
        roots: Card id to its folder or address.
        classifier: Key of the one whose logits parts hold; see `Marks`.
        sent_back: The store is seen by the machine where the run began alone, as it is a copy of one among objects:
            parts go there by Ray.
    """

    store: Path
    staging: Path | None
    roots: Mapping[str, Place]
    classifier: str | None = None
    sent_back: bool = False

    @classmethod
    def of(cls, writer: FactsWriter, roots: Mapping[str, Place]) -> Places:
        """Those of a run that writes facts."""
        store = writer.folder.absolute()
        sent_back = address_of(writer.folder) is not None
        return cls(store, writer.staging().absolute(), roots, writer.classifier(), sent_back)

    def check(self) -> None:
        """Refuse a machine that does not see them.

        Raises:
            ConfigError: It does not.
        """
        hint = "let all machines see it at the same path, on a network disk"
        if self.staging is not None and not self.sent_back and not self.staging.is_dir():
            raise ConfigError(f"{platform.node()} does not see the store", where=self.store, hint=hint)
        for card, root in self.roots.items():
            if not root.is_dir():
                raise ConfigError(f"{platform.node()} does not see card '{card}'", where=root, hint=hint)


@dataclass(frozen=True)
class AnnotateShards:
    """Media items in; out their receipts, as their rows are written by the worker, or the rows where there is no store.

    Attributes:
        files: The models.
        seeing: What decides what is seen.
        places: What the worker must see.
        batch_size: Pictures in a batch of the detector; None: as suits the device.
        frames: See `LocalAnnotation`.
    """

    files: ModelFiles
    seeing: SeeingOptions
    places: Places
    batch_size: int | None = None
    frames: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def start(self, share: Share) -> Run[MediaItem, Receipt | Rows]:
        """Load the models."""
        self.places.check()
        keep_freed_memory()
        torch.set_num_threads(share.cores)
        models = limited(self.files.load(), self.seeing)
        settings = settings_of(share, self.batch_size, models.device.type)
        engine = LocalAnnotation(models, self.seeing, settings, self.frames)
        return _Runner(engine, self.places, share, media_of=lambda item: item, rows_of=lambda rows: rows)


@dataclass(frozen=True)
class ClassifyShards:
    """Items with known boxes in; out their receipts, as their rows are written by the worker, or what the classifier
    says where it goes over the rows of before.

    Attributes:
        files: Of the classifier.
        categories: See `LocalClassification`.
        classify_from: See `LocalClassification`.
        rows: What of an item becomes rows.
        places: What the worker must see.
        batch_size: As of a detector.
    """

    files: ModelFiles
    categories: tuple[str, ...]
    classify_from: float
    rows: RowsOptions
    places: Places
    batch_size: int | None = None

    def start(self, share: Share) -> Run[BoxedItem, Receipt | ClassifiedItem]:
        """Load the classifier."""
        self.places.check()
        keep_freed_memory()
        torch.set_num_threads(share.cores)
        species = self.files.load_species()
        settings = settings_of(share, self.batch_size, device_of(species.net).type)
        engine = LocalClassification(species, self.categories, self.classify_from, settings)
        rows_of = partial(imported_rows, options=self.rows)
        return _Runner(engine, self.places, share, lambda boxed: boxed.item, rows_of, _judged)


def _judged(done: ClassifiedItem) -> ClassifiedItem:
    """What came of an item, marked where its file is not seen here: that is no fault of the file."""
    spoiled = done.failure is not None or len(done.frames) < len(done.boxed.frames)
    return replace(done, gone=True) if spoiled and not can_be_judged(done.boxed.item.file) else done


class _Runner(Generic[Item, Done]):
    """Does shards by an engine, and writes the rows of each as a part where there is a folder for parts.

    Args:
        engine: Of this process.
        places: Where parts go.
        share: Of its machine; networks that are run by other threads than this one's are to keep to it, too.
        media_of: The media item of an item.
        rows_of: The rows of a finished item.
        judged: A finished item that goes back as it is, without a part.
    """

    def __init__(
        self,
        engine: Engine[Item, Done],
        places: Places,
        share: Share,
        media_of: Callable[[Item], MediaItem],
        rows_of: Callable[[Done], Rows],
        judged: Callable[[Done], Done] = lambda done: done,
    ) -> None:
        self.engine, self.places, self.share, self.media_of, self.rows_of = engine, places, share, media_of, rows_of
        self.judged = judged

    def __call__(self, items: Sequence[Item], stop: Stop) -> ShardResult[Receipt | Done]:
        began = time.monotonic()
        torch.set_num_threads(self.share.cores)  # Ray may give a shard to another thread than the last one
        finished: list[Done] = []
        with closing(self.engine(items)) as engine:
            for done in engine:
                if done is not None:
                    finished.append(done)
                elif stop():
                    break
        if self.places.staging is None:
            return ShardResult([*map(self.judged, finished)], seconds=time.monotonic() - began)
        receipts, rows = self._receipts(items, finished)
        part = self.places.staging / f"{secrets.token_hex(8)}.parquet" if rows else None
        content = b""
        if part is not None and self.places.sent_back:
            with tempfile.TemporaryDirectory() as folder:
                here = Path(folder) / part.name
                write_facts(here, rows, self.places.classifier)
                content = here.read_bytes()
        elif part is not None:
            write_facts(part, rows, self.places.classifier)
        return ShardResult(receipts, part, content, time.monotonic() - began)

    def _receipts(self, items: Sequence[Item], finished: Sequence[Done]) -> tuple[list[Receipt], list[FactRow]]:
        """The receipts of finished items, and the rows of those that can be judged."""
        media = {item.media_id: item for item in map(self.media_of, items)}
        rows: list[FactRow] = []
        receipts = []
        for done in finished:
            own = self.rows_of(done)
            outcome = Outcome.of(own)
            gone = outcome != Outcome() and not can_be_judged(media[own[0].media_id].file)
            receipts.append(Receipt(own[0].card, own[0].path, outcome, gone))
            rows += [] if gone else own
        return receipts, rows
