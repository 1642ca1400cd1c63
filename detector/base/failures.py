"""Why a file could not be read, in words that are the same in every run."""

from __future__ import annotations

import re

OUT_OF_MEMORY = "reading it takes more memory than there is for one file"
_NO_MEMORY = re.compile(r"insufficient memory|allocate|not enough memory|bad_alloc|out of memory", re.IGNORECASE)
_ADDRESS = re.compile(r"\s*(\bat )?\b0x[0-9a-f]{6,}", re.IGNORECASE)  # of an object in memory, another in every run


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether a decoder or Python had no memory left; each library says so in its own way."""
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(str(error)))


def failure_words(error: BaseException) -> str:
    """An error that no code of ours raised, in a sentence."""
    if ran_out_of_memory(error):
        return OUT_OF_MEMORY
    return f"{type(error).__name__}: {said_by(error)}"


def said_by(error: BaseException) -> str:
    """An error's own words, without addresses in memory."""
    return _ADDRESS.sub("", str(error))
