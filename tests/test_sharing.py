"""What workers share is made once, whole, whatever became of the worker that began it."""

from pathlib import Path

import pytest

from tests.sharing import made_once


def test_what_a_worker_left_unfinished_is_made_anew_and_then_kept(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setattr(tmp_path_factory, "getbasetemp", lambda: tmp_path)
    calls = []

    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / f"half_{len(calls)}").touch()
        if len(calls) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made_once(tmp_path_factory, "thing", make)
    folder = made_once(tmp_path_factory, "thing", make)
    assert [path.name for path in folder.iterdir()] == ["half_2"]
    assert made_once(tmp_path_factory, "thing", make) == folder
    assert len(calls) == 2
