"""A folder for what is not finished goes, also where its process was killed; that of one that lives stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from detector.store.scratch import scratch_folder

HOLD = """
import sys
from pathlib import Path
from detector.store.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1]), ".export-") as folder:
    (folder / "slice").write_text("rows")
    print("made", flush=True)
    input()
"""


def test_an_empty_place_is_left_empty(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, ".export-") as folder:
        (folder / "slice").write_text("rows")
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_and_nothing_else(tmp_path: Path) -> None:
    strangers = [tmp_path / ".export-mine", tmp_path / "exports"]
    for stranger in strangers:
        stranger.mkdir()
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"made\n"
        (held,) = set(tmp_path.iterdir()) - set(strangers)
        with scratch_folder(tmp_path, ".export-") as own, scratch_folder(tmp_path, ".export-") as other:
            assert set(tmp_path.iterdir()) == {*strangers, held, own, other}
        assert (held / "slice").exists()
        process.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
        process.wait()
    assert held.exists()
    with scratch_folder(tmp_path, ".export-"):
        assert not held.exists()
    assert sorted(tmp_path.iterdir()) == sorted(strangers)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system's temporary folders are each user's own")
def test_what_another_user_left_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / ".export-trap").mkdir()
    (tmp_path / ".export-trap" / ".lock").symlink_to(precious)
    (tmp_path / ".export-link").symlink_to(tmp_path / ".export-trap")
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    with scratch_folder(tmp_path, ".export-"):
        pass
    assert precious.read_text() == "mine"
    assert (tmp_path / ".export-trap").is_dir()
