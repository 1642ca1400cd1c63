"""The blocks of code in README.md and docs/, and the words of the commands in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n\n?)?^(?P<indent> *)```(?P<head>.*)\n(?P<text>(?s:.*?))^ *```$", re.M
)
RUN = frozenset({"sh", "python", "sql"})
READ = frozenset({"yaml", "json"})  # parsed
SHOWN = frozenset({"text"})  # what a program prints or a file holds
NOT_RUN = frozenset({"bat", "console", "r"})  # these say why, in a comment above


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: Its file.
        line: Where it begins.
        language: The word behind the fence; of a directive such as `{note}` with its braces.
        text: What is between the fences, without their indent.
        reason: Why it is not run, where a comment says so.
    """

    page: Path
    line: int
    language: str
    text: str
    reason: str | None

    @property
    def where(self) -> str:
        """File and line, as an editor opens them."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def pages() -> list[Path]:
    """README.md and all pages of docs/."""
    return [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        indent = match["indent"]
        body = "".join(line.removeprefix(indent) for line in match["text"].splitlines(keepends=True))
        line = text.count("\n", 0, match.start("indent")) + 1
        found.append(Block(page, line, (match["head"].split() or [""])[0], body, match["reason"]))
    return found


def commands(text: str) -> list[list[str]]:
    """The words of each command of a shell block; comments go, and a line that ends in a backslash goes on."""
    lines = text.replace("\\\n", " ").replace("`\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]
