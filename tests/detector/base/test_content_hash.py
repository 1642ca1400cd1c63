"""The fingerprint is the same for copies, and another after any change that cameras and disks make."""

from pathlib import Path

import numpy as np
import pytest

from backbones.errors import MediaError
from detector.base.content_hash import content_hash


@pytest.mark.parametrize("size", [0, 1, 1000, 196608, 196609, 1_000_000])
def test_copies_are_alike_and_other_files_are_not(tmp_path: Path, size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(data)
    (tmp_path / "longer").write_bytes(data + b"\0")
    hashes = {name: content_hash(tmp_path / name) for name in ("a", "b", "longer")}
    assert hashes["a"] == hashes["b"] != hashes["longer"]
    assert len(hashes["a"]) == 32
    assert int(hashes["a"], 16) >= 0
    for place in {0, size // 2, size - 1} if size else ():
        changed = bytearray(data)
        changed[place] ^= 1
        (tmp_path / "c").write_bytes(changed)
        assert content_hash(tmp_path / "c") != hashes["a"]


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="there is no such file"):
        content_hash(tmp_path / "gone.jpg")
