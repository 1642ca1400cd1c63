"""Which cards the inputs of a run are, known ones, known ones that have moved and new ones, and what is on them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from backbones.errors import ConfigError, MediaError
from detector.annotation.listing.media_list import MediaList
from detector.base.objects.address import Place, is_address, lies_in, path_inside, place_of, real_place
from detector.base.pictures import passed_over_words
from detector.footage.cards import Card, name_cards, reroot
from detector.footage.lists.listed_media import ListedMedia
from detector.footage.lists.manifests import read_list
from detector.store.copies import address_of
from detector.store.media_ids import MediaIds
from detector.store.presence import Known, Presence, has_moved_to, known_files, look_for
from detector.store.run_json import read_run

_PARENTS_TRIED = 3  # of an input, as the root of a card that has moved: DCIM/100RECNX may be given


@dataclass(frozen=True)
class FoundCards:
    """The cards of a run, walked once.

    Attributes:
        cards: Those with photos and videos.
        media: What is on them, card by card.
        notes: What a person should know of them.
        problems: Folders and files that could not be listed.
        passed_over: Suffix -> files that are neither photos nor videos.
    """

    cards: list[Card]
    media: MediaList
    notes: list[str]
    problems: list[MediaError]
    passed_over: Counter[str]


def find_cards(
    inputs: Sequence[Place], output: Path, roots: Mapping[str, Place], file_list: Place | None = None
) -> FoundCards:
    """The cards that inputs belong to, without the store where it lies inside one.

    Where other files lie at a known card's root than those that the store knows of it, that is a new card; where a
    known card is not at its root, but its files are in an input, it has moved.

    Args:
        inputs: Files and folders.
        output: The store.
        roots: Card id to folder, as a person says.
        file_list: Of the files to take; None: all that are there.

    Raises:
        ConfigError: The store is an input itself, or a root is given for a card that is not known.
        MediaError: An input does not exist, or there are no photos and videos in it.
    """
    before = read_run(output)
    said = {(before and before.card_id(card)) or card: root for card, root in roots.items()}
    known = reroot({} if before is None else {card: entry.root for card, entry in before.cards.items()}, said)
    found = _Known(output, known)
    displaced = {card for card in found.asked_for(inputs) if found.presence(card).state != "here"}
    cards = name_cards(inputs, known, displaced)
    new = [card.root for card in cards if card.id not in known and not card.inputs and isinstance(card.root, Path)]
    missing = [
        card
        for card, root in known.items()
        if card not in said and not is_address(root) and (card in displaced or not Path(root).is_dir())
    ]
    moved = dict(_moved(missing, new, found)) if new else {}
    notes = [
        f"card '{card}' has moved from {known[card]} to {root}: names, sizes and content agree "
        f"(otherwise say where it is: --root {card}=PATH, from Python roots)"
        for card, root in moved.items()
    ]
    if moved:
        known |= {card: str(root) for card, root in moved.items()}
        displaced -= moved.keys()
        cards = name_cards(inputs, known, displaced)
    cards = [_without_store(card, output) for card in cards]
    media = MediaList({card.id: card.root for card in cards})
    walks = _walks(cards, media, file_list)
    # a folder around cards need not hold anything of its own
    listed = [card for card in cards if walks[card.id].files or not card.excluded] or cards
    for card in listed:
        if not walks[card.id].files:
            raise _empty(card, walks[card.id], known, found)
    notes += [_displaced_note(card, found, known, listed) for card in sorted(displaced)]
    for card in listed:
        if card.id in known and not card.inputs:
            notes += _differences(card.id, found.presence(card.id))
    problems = [problem for card in listed for problem in walks[card.id].problems]
    passed_over = sum((walks[card.id].passed_over for card in listed), Counter[str]())
    return FoundCards(listed, media, notes, problems, passed_over)


@dataclass
class _Walk:
    """What was met on a card."""

    files: int = 0
    problems: list[MediaError] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)

    @classmethod
    def over(cls, card: Card, media: MediaList) -> _Walk:
        walk = cls()
        before = len(media)
        for item in card.media(walk.problems.append, lambda suffix: walk.passed_over.update((suffix,))):
            media.add(item)
        walk.files = len(media) - before
        return walk


def _walks(cards: Sequence[Card], media: MediaList, file_list: Place | None) -> dict[str, _Walk]:
    """What is on cards, or what a list names of it, once each; what cannot be taken is a problem of the first card."""
    if file_list is None:
        return {card.id: _Walk.over(card, media) for card in cards}
    walks = {card.id: _Walk() for card in cards}
    first, seen = walks[cards[0].id], MediaIds()
    files = ListedMedia(cards, first.problems.append, lambda suffix: first.passed_over.update((suffix,)))
    for item in files.items(read_list(file_list)):
        if item.media_id in seen:
            continue
        seen.add(item.media_id)
        media.add(item)
        walks[item.card].files += 1
    return walks


class _Known:
    """What the store knows of its cards, read when it is asked for."""

    def __init__(self, output: Path, roots: dict[str, str]) -> None:
        self.output, self.roots = output, roots
        self._files: dict[str, Known] = {}
        self._presences: dict[tuple[str, str], Presence] = {}

    def asked_for(self, inputs: Sequence[Place]) -> list[str]:
        """Cards whose roots are there, and are, hold or lie in an input."""
        reals = [real_place(path) for path in inputs]
        asked = []
        for card, root in self.roots.items():
            real = real_place(root)
            if any(lies_in(real, each) or lies_in(each, real) for each in reals) and place_of(real).is_dir():
                asked.append(card)
        self.read(asked)
        return asked

    def read(self, cards: Sequence[str]) -> None:
        self._files |= known_files(self.output, [card for card in cards if card not in self._files])

    def files(self, card: str) -> Known:
        self.read([card])
        return self._files[card]

    def presence(self, card: str) -> Presence:
        key = card, self.roots[card]
        if key not in self._presences:
            self._presences[key] = look_for(self.files(card), place_of(self.roots[card]))
        return self._presences[key]


def _moved(missing: Sequence[str], new: Sequence[Path], known: _Known) -> Iterator[tuple[str, Path]]:
    """The missing cards that are in folders which would be new cards, and where."""
    known.read(missing)
    taken = {real_place(root) for card, root in known.roots.items() if card not in missing}
    places = [place for root in new for place in _places(root) if os.path.realpath(place) not in taken]
    for card in missing:
        place = next((place for place in places if has_moved_to(known.files(card), place)), None)
        if place is not None:
            places.remove(place)
            yield card, place


def _places(root: Path) -> list[Path]:
    """Where the root of a card could be that lies in a folder, is it, or holds it."""
    try:
        inner = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        inner = []
    return [root, *inner, *list(root.parents)[:_PARENTS_TRIED]]


def _without_store(card: Card, output: Path) -> Card:
    store, root = real_place(address_of(output) or output), real_place(card.root)
    if store == root:
        hint = "choose an output folder of its own"
        raise ConfigError("the results would lie among the photos and videos", where=store, hint=hint)
    if not lies_in(store, root):
        return card
    return replace(card, excluded=(*card.excluded, path_inside(store, root)))


def _empty(card: Card, walk: _Walk, known: Mapping[str, str], found: _Known) -> MediaError:
    root = real_place(card.root)
    lost = {name: len(found.files(name)) for name, path in known.items() if real_place(path) == root}
    hint = "check the path, and that the card or the network drive is there; or leave it out"
    if lost and max(lost.values()):
        name = max(lost, key=lambda each: lost[each])
        hint = f"the store knows {lost[name]} files of card '{name}' here: is the card in, the network drive there?"
    reasons = [str(problem) for problem in walk.problems[:1]]
    reasons += [passed_over_words(walk.passed_over)] if walk.passed_over else []
    problem = "; ".join(["there are no photos or videos here", *reasons])
    return MediaError(problem, where=card.root, hint=hint)


def _displaced_note(card: str, found: _Known, known: Mapping[str, str], listed: Sequence[Card]) -> str:
    root = real_place(known[card])
    new = next((each.id for each in listed if real_place(each.root) == root), None)
    if new is not None:
        return f"other files lie at {known[card]} than those of card '{card}': they are card '{new}'"
    return f"none of the {len(found.files(card))} files of card '{card}' are at {known[card]} now"


def _differences(card: str, presence: Presence) -> list[str]:
    notes = []
    if missing := presence.known - presence.there:
        notes.append(f"{missing} of the {presence.known} files that the store knows of card '{card}' are not there now")
    if presence.changed:
        notes.append(
            f"{len(presence.changed)} files of card '{card}' are others than when they were annotated, such as "
            f"{presence.changed[0]}: what the store says of them stays; in a folder of its own what is new is annotated"
        )
    return notes
