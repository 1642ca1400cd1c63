"""Why a file could not be read, in words that are the same in every run; and a bound on what reading one may take."""

from __future__ import annotations

import re

READER_BYTES = 4 << 30  # a reading process may take this much more; the largest pictures that are decoded take 3 GB
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


def bound_memory(most_bytes: int = READER_BYTES) -> None:
    """Let this process take no more than this beyond what it holds, where the system can see to that.

    What asks for more gets an error, in place of the whole machine standing still. Linux counts what is written to and
    no other process's; macOS and Windows do not count.
    """
    try:
        import resource

        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[5])  # of data and stack
    except (ImportError, OSError):
        return
    _, highest = resource.getrlimit(resource.RLIMIT_DATA)
    most = pages * resource.getpagesize() + most_bytes
    if highest == resource.RLIM_INFINITY or most < highest:
        resource.setrlimit(resource.RLIMIT_DATA, (most, highest))
