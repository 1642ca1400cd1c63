"""Texts that a spreadsheet would take for formulas: an apostrophe in front when written, and off again when read."""

from __future__ import annotations

import re

_GUARDED = re.compile(r"'*[=+\-@\t\r]")  # OWASP, CSV injection; those guarded already too, so that one way leads back


def guard(text: str) -> str:
    """The text with an apostrophe in front where a spreadsheet would take it for a formula; see `unguard`."""
    return f"'{text}" if _GUARDED.match(text) else text


def unguard(text: str) -> str:
    """What `guard` was given."""
    return text[1:] if text.startswith("'") and _GUARDED.match(text) else text
