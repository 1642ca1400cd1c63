"""Which row of the table of deployments each folder belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from detector.base.folders import compile_camera, group_cameras
from detector.base.names import name_key
from detector.deployments.table import Deployment


def match_deployments(
    folders: Sequence[tuple[str, str]], table: Sequence[Deployment], camera_from: str | None
) -> tuple[list[int], list[Deployment]]:
    """The deployments of folders (N), as (card, folder): N indices into the rows, the table's and told ones.

    Args:
        folders: Of media items.
        table: Deployments that are listed; the others are told from folders.
        camera_from: Regular expression for those; see `folders.group_cameras`.
    """
    camera = compile_camera(camera_from) if camera_from else None

    def told(card: str, folder: str) -> Deployment:
        [((_, own), name)] = group_cameras([(card, folder)], camera).items()
        return Deployment(name, card, own, listed=False)

    return match_folders(folders, table, told)


def match_folders(
    folders: Sequence[tuple[str, str]], rows: Sequence[Deployment], told: Callable[[str, str], Deployment]
) -> tuple[list[int], list[Deployment]]:
    """Find the row of each folder: the one with the longest folder above it, one of its own card before one of any.

    Args:
        folders: (card, folder) of media items (N).
        rows: Of the table.
        told: Makes the row of a folder that no row of the table is above.

    Returns:
        N indices into the second: the table's rows, and after them those that had to be told.
    """
    every = list(rows)
    index = {(row.card and name_key(row.card), name_key(row.folder)): number for number, row in enumerate(rows)}
    made: dict[Deployment, int] = {}
    matched = []
    for card, folder in folders:
        found = None
        card_key, levels = name_key(card), name_key(folder).split("/") if folder else []
        for depth in range(len(levels), -1, -1):
            above = "/".join(levels[:depth])
            found = index.get((card_key, above), index.get((None, above)))
            if found is not None:
                break
        if found is None:
            row = told(card, folder)
            found = made.setdefault(row, len(every))
            if found == len(every):
                every.append(row)
        matched.append(found)
    return matched, every
