"""What a person's mark says of boxes: as reviews for the store, and as what the page shows until decisions follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from detector.review.asked import AskedError, Drawing, Mark
from detector.review.boxes import Boxes, Word
from detector.review.names import BoxName
from detector.species.names.fauna import BIRDS
from detector.species.names.said_names import NameCheck, named_taxon
from detector.species.names.taxonomy import ANY_BIRD
from detector.store.reviews.log import NOTED, Review, drawn_number
from detector.types import Kind, TaxonName

PLAIN = (Kind.BIRD, Kind.ANIMAL, Kind.PERSON, Kind.VEHICLE)
NOTHING, REAL, ACCEPT, NAMED = "nothing", "real", "accept", "named"

Outcome = tuple[str, str | None, Word]  # verdict, its name, and what stands on the box then


@dataclass(frozen=True, eq=False)
class Marking:
    """A mark that is to be said.

    Attributes:
        reviews: For the store.
        words: Rows of boxes, and what stands on each then.
        units: How many pictures of the page the person judged by it.
    """

    reviews: tuple[Review, ...]
    words: tuple[tuple[int, Word], ...]
    units: int


class Marker:
    """Turns marks into reviews.

    Args:
        check: Tells names from misspelt ones.
        now: Tells the time.
    """

    def __init__(self, check: NameCheck, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._check = check
        self._now = now

    def marking(self, boxes: Boxes, mark: Mark, rows: Sequence[int]) -> Marking:
        """What a mark says.

        Args:
            boxes: Of the store.
            mark: As the page sends it.
            rows: The boxes that it lists, by their rows.

        Raises:
            AskedError: A name is none, it says what cannot be, or what it is of is not in the store.
        """
        if mark.name:
            self._check_name(mark.name)
        moment = self._now()
        noted = {"sex": mark.sex, "life_stage": mark.life_stage, "count": mark.count, "comment": mark.comment}
        common: dict[str, Any] = {"reviewed_at": moment, "reviewer": mark.reviewer, **noted}
        reviews: list[Review] = []
        words: list[tuple[int, Word]] = []
        known: dict[object, Outcome] = {}
        for row in rows:
            now = boxes.word_on(row)
            key = (now.name.same, now.suppressed, now.needs_review)
            if mark.say == NOTED or key not in known:
                known[key] = self._outcome(mark, now)
            verdict, name, word = known[key]
            place = boxes.id_of(row)
            reviews.append(_review(**common, verdict=verdict, name=name, **vars(place)))
            words.append((row, word))
        targets: list[tuple[dict[str, Any], list[int]]] = [
            ({"media_id": item}, of_file) for item, of_file in self._files(boxes, mark)
        ]
        targets += [({"repeat_group": group}, of_group) for group, of_group in self._groups(boxes, mark)]
        for target, members in targets:
            if mark.say == ACCEPT:
                raise AskedError("there is nothing to accept: say what it is", 422)
            reviews.append(_review(**common, verdict=mark.say, name=mark.name, **target))
            words += [(row, self._outcome(mark, boxes.word_on(row))[2]) for row in members]
        birds = len(set(boxes.individual[list(rows)].tolist()))
        return Marking(tuple(reviews), tuple(words), birds + len(targets))

    def drawing(self, boxes: Boxes, drawing: Drawing) -> Marking:
        """What a person says by drawing a box, or moving one.

        Raises:
            AskedError: There is no such file or box, or what was drawn is no box.
        """
        if drawing.media not in boxes.media_rows:
            raise AskedError("there is no such file", 404)
        if drawing.name:
            self._check_name(drawing.name)
        new = drawing.box is None
        number = drawn_number(drawing.media, drawing.frame, drawing.xywh) if drawing.box is None else drawing.box
        review = _review(
            reviewed_at=self._now(),
            reviewer=drawing.reviewer,
            verdict=drawing.say if new else NOTED,
            name=drawing.name if new else None,
            media_id=drawing.media,
            frame_number=drawing.frame,
            box=number,
            xywh=drawing.xywh,
        )
        return Marking((review,), (), 1)

    def _check_name(self, text: str) -> None:
        if problem := self._check.problem(text):
            raise AskedError(problem, 422)

    def _files(self, boxes: Boxes, mark: Mark) -> Iterator[tuple[str, list[int]]]:
        for item in mark.files:
            if item not in boxes.media_rows:
                raise AskedError("there is no such file", 404)
            rows = boxes.rows_of_media(item)
            yield item, [int(row) for row in rows if mark.say == NOTHING or boxes.counted[row]]

    def _groups(self, boxes: Boxes, mark: Mark) -> Iterator[tuple[str, list[int]]]:
        known = {each.repeat_group: place for place, each in enumerate(boxes.repeats)}
        for group in mark.groups:
            if group not in known:
                raise AskedError("there is no such group", 404)
            yield group, (boxes.group == known[group]).nonzero()[0].tolist()

    def _outcome(self, mark: Mark, now: Word) -> Outcome:
        """What a mark says of a box, and what stands on it then; `decisions.naming.reviewing` has the last word."""
        verdict, name = accepted(now.name) if mark.say == ACCEPT else (str(mark.say), mark.name)
        said = replace(now, suppressed=False, needs_review=False, reviewer=mark.reviewer)
        if verdict == NOTED:
            return verdict, None, now
        if verdict == NOTHING:
            return verdict, name, replace(said, suppressed=True)
        if verdict == REAL:
            return verdict, name, replace(said, needs_review=now.needs_review)
        if verdict == NAMED:
            return verdict, name, replace(said, name=self._named(str(name), now.name))
        if verdict == Kind.BIRD and now.name.kind == Kind.BIRD and now.name.name:
            return verdict, name, said
        plain = ANY_BIRD if verdict == Kind.BIRD else TaxonName.plain(verdict)
        return verdict, name, replace(said, name=box_name(verdict, plain))

    def _named(self, text: str, before: BoxName) -> BoxName:
        kind, taxon = self._check.kinds.of(text), named_taxon(text, self._check.kinds)
        if taxon is not None:
            return box_name(Kind.BIRD if taxon.name == BIRDS else kind, taxon)
        if kind in PLAIN:
            return box_name(kind, TaxonName.plain(kind))
        return before


def _review(**values: Any) -> Review:
    try:
        return Review(**values)
    except ValueError as error:
        raise AskedError(str(error), 422) from None


def box_name(kind: str, taxon: TaxonName) -> BoxName:
    """What a box of a taxon is called."""
    return BoxName(str(kind), taxon.name, taxon.display_name, taxon.rank, taxon.english_name, taxon.hebrew_name)


def accepted(name: BoxName) -> tuple[str, str | None]:
    """Verdict and name by which a person says that a box is what it is called.

    Raises:
        AskedError: It is called nothing that could be true.
    """
    if name.name and name.name != BIRDS:
        return NAMED, name.name
    if name.kind in PLAIN:
        return name.kind, None
    raise AskedError(f"'{name.display}' is no answer: say what it is", 422)
