"""Fingerprints of a file's content: a quick one of photos and videos, a whole one of weights."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from backbones.errors import MediaError
from detector.base.files import open_regular

PART_BYTES = 64 * 1024  # of each of head, middle and tail: enough to tell one camera's photos apart, one disk read each


def content_hash(file: Path) -> str:
    """32 hexadecimal digits of a file's size, head, middle and tail; files up to 192 KiB are hashed whole.

    Raises:
        MediaError: If the file cannot be read.
    """
    try:
        with open_regular(file, what="photo or video", error=MediaError) as opened:
            size = os.fstat(opened.fileno()).st_size
            digest = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=16)
            if size <= 3 * PART_BYTES:
                digest.update(opened.read())
            else:
                for start in (0, (size - PART_BYTES) // 2, size - PART_BYTES):
                    opened.seek(start)
                    digest.update(opened.read(PART_BYTES))
    except OSError as error:
        raise MediaError(f"the file cannot be read ({error.strerror})", where=file, hint="check the disk") from error
    return digest.hexdigest()


def sha256_of(file: Path) -> str:
    """64 hexadecimal digits that name the content of a file of weights."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
