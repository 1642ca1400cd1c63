"""Pictures of a folder whose labels stand in one file, under the names that another program has for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from detector.base.names import name_key
from detector.data.convert.building import CocoBuilder, LabelledBox, Size, find_pictures
from detector.data.doctor.picture_scan import PictureScan

_PREFIX = re.compile(r"^[0-9a-f]{8}-")  # of Label Studio's uploads
_UPLOADS = "upload"  # Label Studio's folder, in which it forgets those of the pictures


class ListedPictures:
    """A COCO document of the pictures of a folder that a file lists.

    Args:
        images: The folder, searched with all its folders.

    Raises:
        ConfigError: If the folder is missing, or there is no picture.
    """

    def __init__(self, images: Path) -> None:
        self.builder = CocoBuilder()
        self._scans = dict(find_pictures(images, self.builder))
        self._names = PictureNames(list(self._scans))

    def add(
        self, where: str, given: Iterable[str], label: Callable[[PictureScan], tuple[Size, list[LabelledBox]]]
    ) -> None:
        """Add what the file says of one picture, or tell why not.

        Args:
            where: The place in the file, in words.
            given: Names that may be the picture's.
            label: The size that the labels are for, and the boxes; any error means that they cannot be read.
        """
        found = {name for each in given if (name := self._names.find(each)) is not None}
        if len(found) != 1:
            self.builder.report(where, "there is no such picture, or several")
            return
        (name,) = found
        try:
            self.builder.add(name, *label(self._scans[name]))
        except ValueError as error:
            self.builder.leave_out(where, str(error))
        except (TypeError, KeyError, AttributeError, OverflowError):
            self.builder.leave_out(where, "its labels cannot be read")


class PictureNames:
    """The pictures of a folder by the names that other programs have for them.

    These may be URLs, paths of another machine, percent-encoded, or lengthened by a prefix.

    Args:
        names: Relative to the folder, with forward slashes.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._by_path = {name_key(name): name for name in names}
        self._by_tail: dict[str, set[str]] = {}
        for name in names:
            parts = PurePosixPath(name_key(name)).parts
            for start in range(len(parts)):
                self._by_tail.setdefault("/".join(parts[start:]), set()).add(name)

    def find(self, given: str) -> str | None:
        """The one picture that is meant; None: there is none, or there are several.

        One of the two paths must be the end of the other: `cam2/1.jpg` is not `cam1/1.jpg`.
        """
        given = given.rsplit("?d=", 1)[-1] if "?d=" in given else given.split("?", 1)[0]  # Label Studio's local files
        found = (self._find(path) for path in dict.fromkeys((given, unquote(given))))
        return next((name for name in found if name is not None), None)

    def _find(self, path: str) -> str | None:
        parts = PurePosixPath(name_key(path.replace("\\", "/"))).parts
        for start in range(len(parts)):
            tail = parts[start:]
            for name in dict.fromkeys(("/".join(tail), "/".join((*tail[:-1], _PREFIX.sub("", tail[-1]))))):
                if name in self._by_path:
                    return self._by_path[name]
                meant = self._by_tail.get(name, set())
                if len(meant) == 1 and (start == 0 or _UPLOADS in parts[:start]):
                    return next(iter(meant))
        return None
