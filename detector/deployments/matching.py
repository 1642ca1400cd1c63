"""Which rows of the table of deployments the folders of a store belong to."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from detector.base.names import name_key
from detector.deployments.folders import compile_camera, folder_deployment, group_cameras
from detector.deployments.table import Deployment

Folder = tuple[str, str]  # a card, and a folder under its root
Key = tuple[str | None, str]  # the same, as compared; None: any card


@dataclass(frozen=True, eq=False)
class Matching:
    """Which rows the folders of a store belong to.

    Attributes:
        rows: The table's, and after them one for each camera whose folders no row of the table is above.
        of_folder: Rows of each folder: one, or several of periods one after the other.
        visit_ids: A name of each row that no other row has: the deployment's of its first row, then X-2, X-3.
    """

    rows: Sequence[Deployment]
    of_folder: Mapping[Folder, tuple[int, ...]]
    visit_ids: Sequence[str]

    @property
    def without_files(self) -> list[Deployment]:
        """The table's rows that no folder belongs to."""
        used = {row for rows in self.of_folder.values() for row in rows}
        return [row for index, row in enumerate(self.rows) if row.listed and index not in used]

    @property
    def unlisted(self) -> list[Deployment]:
        """The rows that no table lists."""
        return [row for row in self.rows if not row.listed]

    def complaints(self) -> list[str]:
        """The table's rows without files, each with the folder that may be meant."""
        folders = {folder_deployment(row.card or "", row.folder): row for row in self.unlisted}
        words = {name.casefold(): name for name in folders or map("/".join, self.of_folder)}
        texts = []
        for row in self.without_files:
            place = (f"card '{row.card}', " if row.card else "") + f"folder '{row.folder}'"
            name = folder_deployment(row.card or "", row.folder).casefold()
            # the names that `hoopoe deployments` gives are those of card and folder
            near = [own for own in [row.deployment_id.casefold()] if own in words]
            near = near or difflib.get_close_matches(name, words, n=1, cutoff=0.4)
            meant = f"; did you mean {words[near[0]]}?" if near else ""
            texts.append(f"row {row.line} ({place}) matches no file{meant}")
        return texts


def match_deployments(folders: Sequence[Folder], table: Sequence[Deployment], camera_from: str | None) -> Matching:
    """Find the rows of folders; those of the table, else one a camera.

    Args:
        folders: Of all media items of a store.
        table: Deployments that are listed.
        camera_from: Regular expression for the others; see `folders.group_cameras`.
    """
    camera = compile_camera(camera_from) if camera_from else None

    def row_of(card: str, folder: str) -> Deployment:
        [((_, own), name)] = group_cameras([(card, folder)], camera).items()
        return Deployment(name, card, own)

    return match_folders(sorted(set(folders)), table, row_of)


def match_folders(
    folders: Sequence[Folder], table: Sequence[Deployment], row_of: Callable[[str, str], Deployment]
) -> Matching:
    """Find the rows of each folder: those of the longest folder above it, of its own card before those of any.

    A row that is no folder's by its letters is that of the folder which differs only in case, if there is one.

    Args:
        folders: (card, folder) of media items, each once.
        table: Deployments that are listed.
        row_of: Makes the row of a folder that no row of the table is above.
    """
    exact: dict[Key, list[int]] = {}
    for index in sorted(range(len(table)), key=lambda index: table[index].start or datetime.min):
        exact.setdefault(table[index].place, []).append(index)
    used = {key for folder in folders if (key := _above(folder, exact)) is not None}
    unused = Counter(_folded(key) for key in exact if key not in used)
    by_case = {_folded(key): key for key in exact if key not in used and unused[_folded(key)] == 1}

    rows = list(table)
    made: dict[Deployment, int] = {}
    of_folder: dict[Folder, tuple[int, ...]] = {}
    for folder in folders:
        key = _above(folder, exact)
        other = _above((folder[0].casefold(), folder[1].casefold()), by_case)
        if other is not None and (key is None or len(other[1]) > len(key[1])):
            key = by_case[other]
        if key is None:
            row = row_of(*folder)
            number = made.setdefault(row, len(rows))
            if number == len(rows):
                rows.append(row)
            of_folder[folder] = (number,)
        else:
            of_folder[folder] = tuple(exact[key])
    return Matching(rows, of_folder, _visit_ids(rows))


def _above(folder: Folder, keys: Mapping[Key, object]) -> Key | None:
    card, levels = name_key(folder[0]).strip(), name_key(folder[1]).split("/") if folder[1] else []
    for depth in range(len(levels), -1, -1):
        above = "/".join(levels[:depth]).strip()  # cells of a table have no space around them
        for key in ((card, above), (None, above)):
            if key in keys:
                return key
    return None


def _folded(key: Key) -> Key:
    return key[0] and key[0].casefold(), key[1].casefold()


def _visit_ids(rows: Sequence[Deployment]) -> list[str]:
    used = {row.deployment_id for row in rows}
    last: dict[str, int] = {}
    ids = []
    for row in rows:
        number, name = last.get(row.deployment_id, 0) + 1, row.deployment_id
        while number > 1 and (name := f"{row.deployment_id}-{number}") in used:
            number += 1
        last[row.deployment_id] = number
        used.add(name)
        ids.append(name)
    return ids
