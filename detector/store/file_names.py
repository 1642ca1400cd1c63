"""What the names of a card's files begin with in exports: said once, when the card comes, and never changed.

The first cards of a store: one card: nothing, so that its folder is the one to open in Timelapse; several under one
folder: their paths under it; cards on several disks: their ids. Cards that come later: their paths under the folder in
which the names of those before begin, if they lie in it, else their ids.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePath

from detector.store.run_file import CardEntry

Roots = Mapping[str, str]  # card id -> its folder


def with_prefixes(before: Mapping[str, CardEntry], cards: Mapping[str, CardEntry]) -> dict[str, CardEntry]:
    """All cards with their prefixes: those that have one keep it.

    Args:
        before: The cards that the store knew; those of a time before prefixes get what their names began with then.
        cards: All cards now, these included.
    """
    prefixes = common_prefixes({card: entry.root for card, entry in before.items()})
    known = {card: prefixes[card] if entry.prefix is None else entry.prefix for card, entry in before.items()}
    new = {card: entry.root for card, entry in cards.items() if card not in known}
    if known:
        base = _base({card: before[card].root for card in known}, known)
        for card, root in new.items():
            known[card] = _free(_inside(root, base) or f"{card}/", known, before)
    else:
        known = common_prefixes(new)
    return {card: entry.model_copy(update={"prefix": known[card]}) for card, entry in cards.items()}


def common_prefixes(roots: Roots) -> dict[str, str]:
    """The prefixes of cards that come together."""
    if len(roots) == 1:
        return dict.fromkeys(roots, "")
    apart = {card: f"{card}/" for card in roots}
    try:
        common = os.path.commonpath(list(roots.values()))
    except ValueError:  # several drives, or no cards
        return apart
    if not common or os.path.dirname(common) == common:
        return apart
    inside = {card: _under(root, common) for card, root in roots.items()}  # "": a card with others in it
    return inside if len(set(inside.values())) == len(inside) else apart


def _base(roots: Roots, prefixes: Mapping[str, str]) -> str | None:
    """The folder in which the names of all these cards begin; None: there is no such one."""
    bases = set()
    for card, root in roots.items():
        path, prefix = PurePath(root).as_posix(), f"/{prefixes[card].rstrip('/')}"
        if prefix == "/":
            bases.add(path)
        elif path.endswith(prefix):
            bases.add(path[: -len(prefix)])
        else:
            return None
    return bases.pop() if len(bases) == 1 else None


def _inside(root: str, base: str | None) -> str:
    """The prefix of a card in a folder; "": it is not in it."""
    lies_in = base is not None and PurePath(root).as_posix().startswith(f"{base.rstrip('/')}/")
    return _under(root, base) if lies_in and base is not None else ""


def _under(root: str, folder: str) -> str:
    inside = os.path.relpath(root, folder).replace(os.sep, "/")
    return "" if inside == "." else f"{inside}/"


def _free(prefix: str, known: Mapping[str, str], before: Mapping[str, CardEntry]) -> str:
    """The prefix with a number where names would be those of other files."""
    bare = [entry.root for card, entry in before.items() if known[card] == ""]
    number, free = 1, prefix
    while free in known.values() or any(os.path.isdir(os.path.join(root, free)) for root in bare):
        number += 1
        free = f"{prefix.rstrip('/')}-{number}/"
    return free
