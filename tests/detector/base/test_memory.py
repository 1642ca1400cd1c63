"""What a process frees it uses again, where the system lets it."""

import platform
import subprocess
import sys

import pytest

PHOTOS = """
import resource
import numpy as np
{prepare}
for number in range(20):
    pixels = np.ones((3000, 4000, 3), np.uint8)
    del pixels
    if not number:
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)
"""
KEEPING = "from detector.base.memory import keep_freed_memory; keep_freed_memory()"


def pages_asked_for(prepare: str) -> int:
    """How often photos of 12 megapixels, but for the first, wait for a page of the system's."""
    done = subprocess.run(
        [sys.executable, "-c", PHOTOS.format(prepare=prepare)], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_a_freed_photo_makes_room_for_the_next() -> None:
    assert pages_asked_for(KEEPING) < pages_asked_for("") / 5  # of large pages, where there are some, it takes fewer
