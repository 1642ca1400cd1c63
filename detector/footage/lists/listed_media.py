"""Photos and videos that a list names, as the listing of their cards would give them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from backbones.errors import MediaError
from detector.base.objects.address import Address, Place, is_address, lies_in, path_inside, real_place
from detector.base.objects.errors import AccessError
from detector.base.objects.service import ObjectInfo, find
from detector.footage.cards import Card
from detector.footage.discovery import PassOver, Report, find_media
from detector.footage.lists.manifests import Listed, normal_path
from detector.footage.object_media import ObjectWalk
from detector.types import MediaItem

_AT_ONCE = 32  # objects whose sizes are asked for, where the list does not say them
_BATCH = 256
OUTSIDE = "listed files lie in none of the inputs"
NOT_UTF_8 = "listed files have names that are not UTF-8"
NO_CARD = "listed files are named by paths, and there are several inputs: give addresses, or one input"


@dataclass
class ListedMedia:
    """The files of a list among some cards.

    Attributes:
        cards: That were asked for.
        report: Called with each file that cannot be taken, and at the end with how many lie elsewhere.
        pass_over: As `find_media` calls it.
    """

    cards: Sequence[Card]
    report: Report
    pass_over: PassOver
    _strays: Counter[str] = field(default_factory=Counter)
    _examples: dict[str, str] = field(default_factory=dict)
    _walks: dict[str, ObjectWalk] = field(default_factory=dict)

    def items(self, listed: Iterable[Listed]) -> Iterator[MediaItem]:
        """The photos and videos of a list, in its order; a file that it names twice comes twice."""
        self._roots = sorted(((real_place(card.root), card) for card in self.cards), key=lambda each: -len(each[0]))
        rest = iter(listed)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while batch := list(islice(rest, _BATCH)):
                placed = [found for each in batch if (found := self._placed(each)) is not None]
                yield from (item for found in pool.map(self._looked_up, placed) for item in self._taken(*found))
        for problem, count in self._strays.items():
            self.report(MediaError(f"{count} {problem}", where=self._examples[problem], hint="check the list"))

    def _placed(self, listed: Listed) -> tuple[Card, str, Listed] | None:
        """The card and the path under it of a file; None: it is in none."""
        try:
            listed.name.encode()
        except UnicodeEncodeError:  # it could not be written into any table, nor be asked for
            self._stray(NOT_UTF_8, listed)
            return None
        relative = listed.bucket is None and not is_address(listed.name) and not Path(listed.name).is_absolute()
        if relative and len(self.cards) > 1:
            self._stray(NO_CARD, listed)
            return None
        if relative and not isinstance(self.cards[0].root, Address):
            path = normal_path(listed.name)
            if path is not None:
                return self.cards[0], path, listed
            self._stray(OUTSIDE, listed)
            return None
        place = str(listed.place(self.cards[0].root))
        for root, card in self._roots:
            if lies_in(place, root) and place != root:
                path = path_inside(place, root)
                asked = not card.inputs or any(lies_in(path, under) for under in card.inputs)
                if asked and not any(lies_in(path, under) for under in card.excluded):
                    return card, path, listed
        self._stray(OUTSIDE, listed)
        return None

    def _stray(self, problem: str, listed: Listed) -> None:
        self._strays[problem] += 1
        self._examples.setdefault(problem, ascii(listed.name))

    def _looked_up(self, placed: tuple[Card, str, Listed]) -> tuple[Card, str, ObjectInfo | MediaError | None]:
        """With what is known of an object; of a file on a disk nothing."""
        card, path, listed = placed
        if not isinstance(card.root, Address):
            return card, path, None
        place: Place = card.root / path
        assert isinstance(place, Address)
        if listed.size_bytes is not None:
            return card, path, ObjectInfo(place.key, listed.size_bytes, listed.version)
        try:
            found = find(place)
        except AccessError as error:
            return card, path, error
        missing = MediaError("the object is not there", where=place, hint="check the list")
        return card, path, missing if found is None else found

    def _taken(self, card: Card, path: str, found: ObjectInfo | MediaError | None) -> Iterator[MediaItem]:
        if isinstance(found, MediaError):
            self.report(found)
        elif isinstance(card.root, Address):
            walk = self._walks.setdefault(card.id, ObjectWalk(card.root, card.id, self.report, self.pass_over))
            assert found is not None
            yield from walk.items([found])
        else:
            yield from self._on_disk(card, path)

    def _on_disk(self, card: Card, path: str) -> Iterator[MediaItem]:
        assert not isinstance(card.root, Address)
        if not (card.root / path).exists():
            self.report(MediaError("the file is not there", where=card.root / path, hint="check the list"))
        else:
            yield from find_media(
                card.root, card.id, inputs=(path,), excluded=card.excluded, report=self.report, pass_over=self.pass_over
            )
