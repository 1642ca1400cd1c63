"""What a process may take of memory, and what it keeps."""

from __future__ import annotations

import sys

READER_BYTES = 4 << 30  # a reading process may take this much more; the largest pictures that are decoded take 3 GB
KEPT_BYTES = 256 << 20  # of freed memory; more goes back to the system
BLOCK_BYTES = 64 << 20  # larger blocks are the system's own, and go back at once: a decoded photo of 21 megapixels
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Let this process use freed memory again, up to `KEPT_BYTES`, in place of giving it back to the system.

    The system hands out pages one by one, and clears each: a quarter of the time that decoding a large photo takes, and
    a tenth of a network's in torch on the CPU. For processes that are Hoopoe's own; where the C library is not glibc,
    nothing changes.
    """
    import ctypes  # which takes time that `hoopoe --help` need not

    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_MMAP_THRESHOLD, BLOCK_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)


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
