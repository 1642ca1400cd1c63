"""Cards: the input folders of a store, and the ids under which their files are known for good."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from backbones.errors import ConfigError, MediaError
from detector.base.names import name_key, same_name
from detector.base.objects.address import Address, Place, absolute_place, lies_in, path_inside, place_of, real_place
from detector.footage.discovery import PassOver, Report, find_media, log_problem
from detector.footage.folders import given_name
from detector.footage.object_media import ObjectWalk, find_objects
from detector.types import MediaItem


@dataclass(frozen=True)
class Card:
    """A card and what to list of it.

    Attributes:
        id: The card's id, unique in its store.
        root: Its folder, or the address under which its objects are; the paths of its media items are relative to this.
        inputs: Files or folders under the root that were asked for, with forward slashes; empty: all.
        excluded: Folders under the root that are cards of their own.
    """

    id: str
    root: Place
    inputs: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def media(self, report: Report = log_problem, pass_over: PassOver = lambda _: None) -> Iterator[MediaItem]:
        """The card's photos and videos, sorted; what else is called is said by `find_media`."""
        if isinstance(self.root, Address):
            return find_objects(ObjectWalk(self.root, self.id, report, pass_over), self.inputs, self.excluded)
        where = {"inputs": self.inputs, "excluded": self.excluded}
        return find_media(self.root, self.id, **where, report=report, pass_over=pass_over)


def reroot(known: Mapping[str, str], roots: Mapping[str, Place]) -> dict[str, str]:
    """The known cards (id to root) after some have moved, as `--root CARD=PATH` says.

    Raises:
        ConfigError: If a card is not known.
    """
    return {**known, **{known_card(card, known): absolute_place(root) for card, root in roots.items()}}


def known_card(name: str, known: Collection[str], where: str = "root") -> str:
    """The id of the card that a person names, in whatever Unicode form.

    Raises:
        ConfigError: There is none.
    """
    found = same_name(name, known)
    if found is None:
        cards = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"there is no card {name!r}", where=where, hint=f"cards of this store: {cards}")
    return found


def name_cards(
    inputs: Sequence[Place], known: Mapping[str, str] | None = None, displaced: Collection[str] = ()
) -> list[Card]:
    """Give each input a card, so that every file belongs to exactly one, and to the same one in every later run.

    An input that is or lies in the root of a known card belongs to that card. An input that contains the root of a
    known card leaves it out, and that card is listed as well. Of new inputs that lie in each other the outer one is the
    card. A new card is called like its folder (or the first one above it that is not DCIM or 100XXXXX), with a number
    where that name is taken.

    Args:
        inputs: Files and folders, as the user gave them.
        known: Card id to root of the store's cards (`run.json`).
        displaced: Those of them at whose root another card lies now; their files are not asked for.

    Returns:
        The cards to list: known ones in their order, then new ones in the order of the inputs.

    Raises:
        MediaError: If an input does not exist.
    """
    known = dict(known or {})
    requests = _Requests({real_place(root): card for card, root in known.items() if card not in displaced})
    for path in inputs:
        if not path.exists():
            raise _not_there(path)
        requests.add(path)
    taken = {_id_key(card) for card in known}
    cards = []
    for root, request in requests.by_root.items():
        id_ = requests.known.get(root) or _free_name(request.root, taken)
        taken.add(_id_key(id_))
        roots = [*requests.known, *requests.by_root]
        excluded = sorted({path_inside(other, root) for other in roots if other != root and lies_in(other, root)})
        whole = "" in request.inputs
        path = place_of(known[id_]) if id_ in known else request.root
        cards.append(Card(id_, path, () if whole else tuple(request.inputs), tuple(excluded)))
    places = {card: place for place, card in enumerate(known)}
    return sorted(cards, key=lambda card: places.get(card.id, len(places)))  # stable: new ones stay in their order


@dataclass
class _Request:
    root: Place
    inputs: list[str] = field(default_factory=list)  # "" asks for all


@dataclass
class _Requests:
    known: dict[str, str]  # real root to card id
    by_root: dict[str, _Request] = field(default_factory=dict)  # by real root

    def add(self, path: Place) -> None:
        real = real_place(path)
        if home := self._innermost(self.known, real):
            self._ask(home, path, path_inside(real, home))
        elif path.is_dir():
            if home := self._innermost([root for root, of in self.by_root.items() if "" in of.inputs], real):
                return  # an outer input lists it already
            for inner in [root for root in self.by_root if root not in self.known and lies_in(root, real)]:
                del self.by_root[inner]
            self._ask(real, path, "")
        else:
            folder = real_place(path.parent) if isinstance(path, Address) else os.path.dirname(real)
            home = self._innermost(self.by_root, folder) or folder
            self._ask(home, path.parent, path_inside(real, home))
        for inner in self.known:
            if lies_in(inner, real) and inner != real:
                self._ask(inner, path, "")

    def _ask(self, root: str, path: Place, under: str) -> None:
        request = self.by_root.setdefault(root, _Request(place_of(absolute_place(path))))
        if under not in request.inputs:
            request.inputs.append(under)

    @staticmethod
    def _innermost(roots: Sequence[str] | dict[str, str] | dict[str, _Request], path: str) -> str | None:
        """The deepest of these real roots that a real path is or lies in."""
        return max((root for root in roots if lies_in(path, root)), key=len, default=None)


def _not_there(path: Place) -> MediaError:
    if isinstance(path, Address):
        return MediaError("there is no such object, nor any under it", where=path, hint="check the address")
    return MediaError("there is no such file or folder", where=path, hint="check it, and that the disk is in")


def _id_key(card: str) -> str:
    """Ids that differ in case only would be one folder on some systems."""
    return name_key(card).casefold()


def _free_name(root: Place, taken: set[str]) -> str:
    name = given_name(root) or root.name or root.drive.strip(":\\/") or "card"
    name = name_key(
        name.encode(errors="replace").decode()
    )  # bytes that are no UTF-8 could not be written into any table
    number, free = 1, name
    while _id_key(free) in taken:
        number += 1
        free = f"{name}-{number}"
    return free
