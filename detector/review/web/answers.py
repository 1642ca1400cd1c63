"""Answers to what the page asks, as plain values: the desk's knowledge in the page's words."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from backbones.errors import HoopoeError
from detector.base.version import __version__
from detector.exports.formats import FORMATS
from detector.exports.history import exported, old_formats
from detector.exports.refresh import refresh
from detector.review.asked import (
    PAGE,
    AskedError,
    BoxText,
    Drawing,
    Export,
    Filter,
    Mark,
    MediaId,
    Person,
    Revision,
    Undo,
    Where,
    box_id,
    checked_query,
)
from detector.review.desk import Desk
from detector.review.framing import crop_task, frame_task
from detector.review.pictures import FRAME_PX, FULL_PX, THUMB_PX, Pictures
from detector.review.remembering import Remembered
from detector.review.sight import Sight
from detector.store.reviews.log import read_reviews
from detector.store.reviews.words import standing
from detector.store.run_json import load_run

SIZES = {"thumb": THUMB_PX, "frame": FRAME_PX, "full": FULL_PX}
MOST_FILES = 60
DECIDED_WITHIN_S = 600.0
TABLES = ("csv", "events")  # where nothing was exported yet

Number = Annotated[int, Field(ge=0, le=2**31 - 1)]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Start(_Query):
    reviewer: Person | None = None


class _Boxes(Filter):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)
    after: BoxText | None = None


class _Summary(Filter):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)
    reviewer: Person


class _Changes(_Query):
    since: Revision
    reviewer: Person


class _Names(_Query):
    text: Annotated[str, StringConstraints(max_length=200)]


class _File(_Query):
    media: MediaId


class _Box(_Query):
    box: BoxText


class _Blanks(_Query):
    after: MediaId | None = None


class _Failed(_Query):
    after: Number = 0


class _Crop(_Query):
    media: MediaId
    frame: Number
    box: Number
    v: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0


class _Frame(_Query):
    media: MediaId
    frame: Number
    size: Literal["thumb", "frame", "full"] = "frame"
    v: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0


class Answers:
    """What the page may ask, a method a question.

    Args:
        desk: Of the store.
        reviewer: Who looks; None: who looked last.
        login: Who looks where nobody did before.
    """

    def __init__(self, desk: Desk, reviewer: str | None, login: str) -> None:
        self._desk = desk
        self._pictures = Pictures()
        self._remembered = Remembered(desk.folder)
        self._reviewer = reviewer or self._remembered.last or login

    def warm(self) -> None:
        """Have ready what takes a while when it is first asked for: names, what looks alike, what makes pictures."""
        threading.Thread(target=self._desk.warm, daemon=True).start()
        self._pictures.warm()

    def close(self) -> None:
        """Decide what is due, and end all threads and processes."""
        self._desk.close()
        self._pictures.close()

    def start(self, query: dict[str, str]) -> dict[str, Any]:
        """What the page begins with; a tab that knows who looks in it says so, for another may have spoken since."""
        reviewer, desk = checked_query(_Start, query).reviewer or self._reviewer, self._desk
        return {
            "version": __version__,
            "store": desk.folder.resolve().name,
            "reviewer": reviewer,
            "where": self._remembered.of(reviewer),
            "blur": desk.blur,
            "threshold": desk.look(lambda sight: sight.boxes.threshold),
            "exports": self._exports(),
        }

    def summary(self, query: dict[str, str]) -> dict[str, Any]:
        """How much there is, and how long it may take."""
        asked = checked_query(_Summary, query)
        wanted = Filter(**asked.model_dump(exclude={"reviewer"}))

        def answer(sight: Sight) -> dict[str, Any]:
            summary = sight.summary(wanted)
            left = next(queue["open"] for queue in summary["queues"] if queue["key"] == wanted.queue)
            return summary | {"seconds": self._desk.pace.seconds_for(left)} | self._desk.state(asked.reviewer)

        return self._desk.look(answer)

    def boxes(self, query: dict[str, str]) -> dict[str, Any]:
        """A page of a filter."""
        asked = checked_query(_Boxes, query)
        wanted = Filter(**asked.model_dump(exclude={"after"}))
        return self._desk.look(lambda sight: sight.page(wanted, asked.after, PAGE) | {"revision": self._desk.revision})

    def changes(self, query: dict[str, str]) -> dict[str, Any]:
        """What changed after a revision, as it is now."""
        asked = checked_query(_Changes, query)
        return self._desk.state(asked.reviewer) | self._changed_since(asked.since)

    def _changed_since(self, since: int) -> dict[str, Any]:
        change = self._desk.changes(since)

        def answer(sight: Sight) -> dict[str, Any]:
            rows = [row for each in change.boxes if (row := sight.boxes.row_of(box_id(each))) is not None]
            files = [sight.boxes.media_rows[item] for item in change.files if item in sight.boxes.media_rows]
            return {
                "cards": [] if change.everything else sight.cards.of(rows),
                "files": sight.cards.of_files(files, sight.blanks),
                "everything": change.everything,
                "revision": change.revision,
            }

        return self._desk.look(answer)

    def names(self, query: dict[str, str]) -> dict[str, Any]:
        """Names that a person may mean."""
        return {"names": [vars(found) for found in self._desk.search.find(checked_query(_Names, query).text)]}

    def file(self, query: dict[str, str]) -> dict[str, Any]:
        """A file with all of its boxes, also those too faint to count, and what people said of it."""
        media = checked_query(_File, query).media

        def answer(sight: Sight) -> dict[str, Any]:
            boxes = sight.boxes
            if media not in boxes.media_rows:
                raise AskedError("there is no such file", 404)
            [file] = sight.cards.of_files([boxes.media_rows[media]], sight.blanks)
            size = [boxes.media[side][boxes.media_rows[media]].as_py() for side in ("width", "height")]
            return {"file": file | {"size": size}, "cards": sight.cards.of(boxes.rows_of_media(media).tolist())}

        said = [
            {
                "at": review.reviewed_at.isoformat(timespec="seconds"), "reviewer": review.reviewer,
                "said": review.name or review.verdict, "frame": review.frame_number, "box": review.box,
                "comment": review.comment,
            }
            for review in standing(read_reviews(self._desk.folder))
            if review.media_id == media
        ]  # fmt: skip
        return self._desk.look(answer) | {"said": said[::-1]}

    def visit(self, query: dict[str, str]) -> dict[str, Any]:
        """What was at the same place at the same time as a box, and what most of it is called."""
        asked = checked_query(_Box, query)

        def answer(sight: Sight) -> dict[str, Any]:
            visit = sight.visits.of(sight.row_of(asked.box))
            return {
                "cards": sight.cards.of(visit.rows.tolist()),
                "votes": [{"name": name.as_json(), "birds": birds} for name, birds, _ in visit.votes],
                "majority": None if visit.majority is None else visit.majority.as_json(),
            }

        return self._desk.look(answer)

    def blanks(self, query: dict[str, str]) -> dict[str, Any]:
        """The next of the random sample of blank files."""
        after = checked_query(_Blanks, query).after

        def answer(sight: Sight) -> dict[str, Any]:
            blanks = sight.blanks
            first = 0
            if after is not None:
                first = blanks.places.get(sight.boxes.media_rows.get(after, -1), -1) + 1
            else:  # begin with the first that nobody looked at, some of those before it shown too
                first = max(blanks.missed().looked - 1, 0) // MOST_FILES * MOST_FILES
            rows = blanks.order[first : first + MOST_FILES].tolist()
            return {
                "files": sight.cards.of_files(rows, blanks),
                "first": first,
                "more": first + MOST_FILES < len(blanks.order),
                "missed": blanks.missed().as_json(),
            }

        return self._desk.look(answer)

    def failed(self, query: dict[str, str]) -> dict[str, Any]:
        """Files that could not be read, and why."""
        first = checked_query(_Failed, query).after

        def answer(sight: Sight) -> dict[str, Any]:
            rows = sight.boxes.failed[first : first + MOST_FILES].tolist()
            total = len(sight.boxes.failed)
            return {"files": sight.cards.of_files(rows, sight.blanks), "total": total, "next": first + len(rows)}

        return self._desk.look(answer)

    def mark(self, mark: Mark) -> dict[str, Any]:
        """Save a mark; returns what it changed."""
        return self._with_changes(mark.since, self._desk.say(mark))

    def draw(self, drawing: Drawing) -> dict[str, Any]:
        """Save a box."""
        return self._with_changes(drawing.since, self._desk.draw(drawing))

    def undo(self, undo: Undo) -> dict[str, Any]:
        """Take back the last mark."""
        return self._with_changes(undo.since, self._desk.undo(undo.reviewer, undo.said))

    def where(self, where: Where) -> dict[str, Any]:
        """Remember where a person is."""
        self._remembered.keep(where)
        self._reviewer = where.reviewer
        return {}

    def _with_changes(self, since: int | None, done: dict[str, Any]) -> dict[str, Any]:
        before = done["revision"] - 1
        return self._changed_since(before if since is None else min(since, before)) | done

    def export(self, export: Export) -> dict[str, Any]:
        """Bring exports up to what people said.

        Raises:
            HoopoeError: A format could not be written.
        """
        unknown = [name for name in export.formats if name not in FORMATS]
        if unknown:
            raise AskedError(f"there is no format '{unknown[0]}'", 422)
        if not self._desk.deciding.wait(DECIDED_WITHIN_S) or self._desk.deciding.problem:
            raise HoopoeError(
                self._desk.deciding.problem or "the decisions take too long", where=self._desk.folder, hint="try again"
            )
        refreshed = refresh(self._desk.folder, export.formats or None, first=TABLES)
        folder = self._desk.folder
        paths = [path.relative_to(folder).as_posix() for path in refreshed.paths]
        return {"written": paths, "exports": self._exports()}

    def crop(self, query: dict[str, str]) -> tuple[Future[dict[int, bytes]], int]:
        """A crop that is made, and its number."""
        asked = checked_query(_Crop, query)
        desk = self._desk
        task = desk.look(lambda sight: crop_task(sight, desk.roots, desk.blur, asked.media, asked.frame, asked.box))
        return self._pictures(task), asked.box

    def frame(self, query: dict[str, str]) -> tuple[Future[dict[int, bytes]], int]:
        """A whole picture that is made."""
        asked = checked_query(_Frame, query)
        desk, longest = self._desk, SIZES[asked.size]
        return self._pictures(
            desk.look(lambda sight: frame_task(sight, desk.roots, desk.blur, asked.media, asked.frame, longest))
        ), -1

    def _exports(self) -> list[dict[str, Any]]:
        """The formats that there are, whether each was exported, and whether it shows decisions of before."""
        folder = self._desk.folder
        there, old = exported(folder, load_run(folder)), old_formats(folder)
        return [
            {"name": name, "summary": one.summary, "there": name in there, "old": name in old, "slow": one.pictures}
            for name, one in FORMATS.items()
        ]
