"""Data of the report as scripts: a page that is opened from the disk may not read files, but may run scripts.

Everything is ASCII, and `<` is escaped: nothing in a name or path can end a script or become markup.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from detector.base.files import write_bytes

TAKE = "hoopoe.take"


class Scripts:
    """A folder of data, a value a file.

    Args:
        folder: Where to write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written: set[str] = set()

    def write(self, name: str, value: Any) -> None:
        """Write a value, which the page takes by this name.

        Raises:
            ValueError: If a number is not finite.
        """
        text = json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
        write_bytes(self.folder / f"{name}.js", f'{TAKE}("{name}",{text});\n'.encode("ascii"), durable=False)
        self._written.add(f"{name}.js")

    def remove_others(self) -> None:
        """Remove what an earlier report had more."""
        for path in self.folder.glob("*.js"):
            if path.name not in self._written:
                path.unlink()


def read_script(path: Path) -> Any:
    """The value that `Scripts.write` wrote."""
    text = path.read_text(encoding="ascii")
    return json.loads(text[text.index(",") + 1 : text.rindex(")")])
