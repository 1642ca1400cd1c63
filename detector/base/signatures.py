"""What a file is by its first bytes, in words, for files that are not what their names say."""

from __future__ import annotations

import re

HEAD_BYTES = 512

_KINDS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), kind)
    for pattern, kind in (
        (rb"\xff\xd8\xff", "a JPEG image"),
        (rb"\x89PNG\r\n\x1a\n", "a PNG image"),
        (rb"GIF8[79]a", "a GIF image"),
        (rb"II\*\0|MM\0\*", "a TIFF image"),
        (rb"RIFF....WEBP", "a WebP image"),
        (rb"....ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1)", "a HEIC image"),
        (rb"....ftypavi[fs]", "an AVIF image"),
        (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "a JPEG 2000 image"),
        (rb"P[1-6][ \t\r\n#]", "a PPM image"),
        (rb"....ftypqt", "a QuickTime video"),
        (rb"....(ftyp|moov|mdat)", "an MP4 video"),
        (rb"RIFF....AVI ", "an AVI video"),
        (rb"RIFF....WAVE", "a WAV sound"),
        (rb"\x1aE\xdf\xa3", "a Matroska video"),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
        (rb"ID3|\xff[\xfb\xf3\xf2]", "an MP3 sound"),
        (rb"%PDF", "a PDF document"),
        (rb"PK\x03\x04", "a ZIP archive"),
        (rb"(\xef\xbb\xbf)?\s*(<!doctype html|<html|<head|<body)", "an HTML page"),
        (rb"(\xef\xbb\xbf)?\s*<\?xml", "an XML document"),
        (rb"version https://git-lfs", "a Git LFS pointer (the file itself was never downloaded)"),
        (rb"BM.{4}\0\0\0\0", "a BMP image"),
        (rb"\0+\Z", "a run of zeros (the card lost its content)"),
        (rb"[\t\n\r\x20-\x7e]+\Z", "a text file"),
    )
)


def kind_of(head: bytes) -> str | None:
    """What a file is, with its article ("an HTML page"), by its first `HEAD_BYTES` bytes; None: unknown."""
    return next((kind for pattern, kind in _KINDS if pattern.match(head[:HEAD_BYTES])), None)
