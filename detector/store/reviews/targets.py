"""Which files, frames and boxes of a store a table of reviews is of."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.compute as pc

from detector.base.names import name_key
from detector.store.media_ids import current_id
from detector.store.reader import FactsReader
from detector.store.reviews.review import DRAWN_FROM, Review, Target, drawn_number
from detector.store.reviews.table import Said
from detector.store.run_json import read_run
from detector.types import media_id

_COLUMNS = ["media_id", "frame_number", "detections.list.element.x"]


def find_targets(folder: Path, said: Sequence[Said], drawn: Collection[Target] = frozenset()) -> list[Said]:
    """The same, each of an item, frame and box that the store holds, or with the problem that there is no such thing.

    Args:
        folder: The store.
        said: What is said.
        drawn: The boxes that people have drawn already.

    Raises:
        DataError: The store is damaged.
    """
    if not said:
        return []
    reader = FactsReader(folder)
    files = Files.of(reader, folder) if any(each.item is None and each.path for each in said) else None
    named = [_with_item(each, files) for each in said]
    wanted = {each.review.item for each in named if each.problem is None}
    boxes = _boxes(reader, wanted)
    drawn = {*drawn, *(each.review.target for each in named if each.review.xywh is not None and each.review.is_drawn)}
    return [each if each.problem else replace(each, problem=_problem(each, boxes, drawn)) for each in named]


def _with_item(said: Said, files: Files | None) -> Said:
    if said.review.repeat_group is not None:
        return said
    if said.item is not None:
        return replace(said, review=_of_item(said.review, current_id(said.item)))
    assert files is not None
    assert said.path is not None
    found = files.item_at(said.card, said.path)
    return replace(said, problem=found.problem, review=_of_item(said.review, found.item))


def _of_item(review: Review, item: str) -> Review:
    """The review, of a media item that has been found; a box that is drawn gets its number."""
    if review.box == DRAWN_FROM and review.xywh is not None:
        return replace(review, media_id=item, box=drawn_number(item, review.frame_number or 0, review.xywh))
    return replace(review, media_id=item)


@dataclass(frozen=True)
class FoundFile:
    """The media item that a person's or program's path means, or why there is none; "" stands for none."""

    item: str = ""
    problem: str | None = None


@dataclass
class Files:
    """The files of a store by the last part of their names."""

    by_name: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # -> card and path
    roots: dict[str, str] = field(default_factory=dict)  # with forward slashes
    ids: dict[str, str] = field(default_factory=dict)  # of cards, by what people call them

    @cached_property
    def items(self) -> frozenset[str]:
        """Ids of all files."""
        return frozenset(media_id(*each) for files in self.by_name.values() for each in files)

    @classmethod
    def of(cls, reader: FactsReader, folder: Path) -> Files:
        run = read_run(folder)
        files = cls()
        if run is not None:
            files.roots = {card: PurePath(entry.root).as_posix() for card, entry in run.cards.items()}
            files.ids = {name_key(label): card for card, label in run.labels.items()}
        for part in reader.parts():
            before = None
            for batch in reader.batches(part, ["card", "path"]):
                for card, path in zip(batch["card"].to_pylist(), batch["path"].to_pylist(), strict=True):
                    item = files.ids.get(name_key(card), card), path
                    if item != before:
                        files.by_name.setdefault(_last(item[1]), []).append(item)
                    before = item
        return files

    @classmethod
    def of_store(cls, folder: Path) -> Files:
        """The files of a store.

        Raises:
            DataError: The store is damaged.
        """
        return cls.of(FactsReader(folder), folder)

    def item_of(self, item: str | None, path: str | None) -> FoundFile:
        """The media item of this id; where the store has none such, that of this path."""
        if item is not None and current_id(item) in self.items:
            return FoundFile(current_id(item))
        if path:
            return self.item_at(None, path)
        return FoundFile(problem=f"there is no file with the id '{item}' in this store")

    def item_at(self, card: str | None, path: str) -> FoundFile:
        """The media item at a path, as people and programs write paths."""
        found = self.find(card, path.replace("\\", "/"))
        if len(found) == 1:
            return FoundFile(found[0])
        if found:
            return FoundFile(problem=f"'{path}' may be {len(found)} files: fill in the column `card`")
        near = self.nearest(path.replace("\\", "/"))
        hint = f"; did you mean {near}?" if near else ""
        return FoundFile(problem=f"there is no file '{path}' in this store{hint}")

    def find(self, card: str | None, path: str) -> list[str]:
        """Ids of the files that a path may mean: the path under the card's root, or that with more of it in front."""
        wanted = name_key(path)
        card = None if card is None else self.ids.get(name_key(card), card)
        files = [
            item for item in self.by_name.get(_last(path), ()) if card is None or name_key(item[0]) == name_key(card)
        ]
        exact = [item for item in files if name_key(item[1]) == wanted]
        longer = [item for item in files if self._ends(item, wanted)]
        return [media_id(*item) for item in exact or longer]

    def _ends(self, item: tuple[str, str], wanted: str) -> bool:
        card, path = map(name_key, item)
        whole = f"{name_key(self.roots.get(item[0], ''))}/{path}"
        return f"{card}/{path}" == wanted or (
            len(wanted) > len(path) and f"/{whole}".endswith(f"/{wanted.lstrip('/')}")
        )

    def nearest(self, path: str) -> str | None:
        """The path of a file that is called nearly so."""
        near = difflib.get_close_matches(_last(path), self.by_name, n=1, cutoff=0.7)
        return self.by_name[near[0]][0][1] if near else None


def _last(path: str) -> str:
    return name_key(path).rpartition("/")[2]


def _boxes(reader: FactsReader, items: set[str]) -> dict[str, dict[int, int]]:
    """Of these items the numbers of boxes by frame."""
    found: dict[str, dict[int, int]] = {}
    values = pa.array(sorted(items), pa.string())
    for part in reader.parts():
        for batch in reader.batches(part, _COLUMNS):
            rows = batch.filter(pc.is_in(batch["media_id"], values))
            counts = pc.list_value_length(rows["detections"]).fill_null(0).to_pylist()
            for item, frame, count in zip(
                rows["media_id"].to_pylist(), rows["frame_number"].to_pylist(), counts, strict=True
            ):
                found.setdefault(item, {})[frame] = count
    return found


def _problem(said: Said, boxes: dict[str, dict[int, int]], drawn: Collection[Target]) -> str | None:
    """What is not there of what a review is of."""
    review = said.review
    frames = boxes.get(review.item)
    if frames is None:
        return f"there is no file with the id '{said.item or review.item}' in this store"
    frame, box = review.frame_number, review.box
    if review.repeat_group is not None:
        numbers = review.repeat_group.split(":")[1:]
        if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
            return f"'{review.repeat_group}' is no group of repeats"
        frame, box = map(int, numbers)
    if frame is not None and frame not in frames:
        return f"the file has no frame {frame} that was sampled"
    if review.is_drawn:
        return None if review.target in drawn else f"the frame has no box with number {box} that a person drew"
    if frame is not None and box is not None and box >= frames[frame]:
        return f"the frame has {frames[frame]} box(es), counted from 0, and none with number {box}"
    has_drawn = any(item == review.media_id for item, *_ in drawn)
    if not sum(frames.values()) and not has_drawn and review.verdict not in ("nothing", "withdrawn"):
        return "there is no box in this file of which to say so: draw the one that was missed, or give its x, y, w, h"
    return None
