"""What is shown of long work: as text, as JSON, or not at all."""

import io
import json

import pytest

from detector.base import reporting
from detector.base.reporting import JsonLog, QuietLog, TextLog, task, track, using


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_nothing_to_do_is_begun_and_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with using(JsonLog()), task("annotating", 0, "files"):
        pass
    begun, ended = events(capsys.readouterr().err)
    assert (begun["event"], begun["task"], begun["total"]) == ("started", "annotating", 0)
    assert (ended["event"], ended["done"], ended["failed"]) == ("finished", 0, 0)


def test_counts_speed_and_time_left_follow_from_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.base.reporting.tasks.time.monotonic", lambda: 10.0)
    with task("annotating", 40, "files", quiet=True) as progress:
        progress.began, progress.done, progress.failed = 0.0, 10, 1
        assert (progress.counts(), progress.pace()) == ("10/40", "1.0 files/s, 0:00:30 left, 1 failed")
        progress.began, progress.failed = -990.0, 0
        assert progress.pace() == "0:50:00 left", "0.0 files/s would say nothing"


def test_a_run_that_goes_on_is_not_credited_with_what_was_done_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.base.reporting.tasks.time.monotonic", lambda: 10.0)
    with task("training", 4.0, "epochs", first=2.0, quiet=True) as progress:
        progress.began = 0.0
        assert progress.seconds_left is None
        progress.reach(3.0)
        assert progress.seconds_left == 10.0


def test_figures_that_are_stated_are_shown_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    for log in (JsonLog(), TextLog()):
        with using(log), task("training", 2.0, "epochs") as progress:
            progress.reach(0.5)
            progress.state("loss 0.300", {"loss": 0.3, "lr": float("nan")})
    *of_json, line = capsys.readouterr().err.splitlines()
    stated = json.loads(of_json[1])
    assert (stated["event"], stated["done"], stated["loss"]) == ("progress", 0.5, 0.3)
    assert "lr" not in stated  # JSON knows no such number
    assert line == "training: 0.50/2 epochs, loss 0.300"


def test_what_goes_wrong_inside_still_ends_the_task(capsys: pytest.CaptureFixture[str]) -> None:
    def spoiled() -> None:
        with task("annotating", 3, "files"):
            raise KeyError

    with using(JsonLog()), pytest.raises(KeyError):
        spoiled()
    assert events(capsys.readouterr().err)[-1]["event"] == "finished"


def test_quiet_shows_warnings_and_errors_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with using(QuietLog()) as log:
        reporting.say("reading")
        reporting.warn("2 files are lost")
        log.error("there is no such file", "a.jpg", None)
        assert list(track([1, 2], "annotating", "files")) == [1, 2]
    printed = capsys.readouterr()
    assert printed.err == "2 files are lost\nerror: there is no such file\nwhere: a.jpg\n"
    assert printed.out == ""


def test_every_json_line_is_an_event_whatever_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with using(JsonLog()) as log:
        reporting.say('two\nlines, "quoted", נחל, \ud800')
        reporting.warn("lost")
        log.error("no such file", None, "check it")
    said, warned, failed = events(capsys.readouterr().err)
    assert said["message"] == 'two\nlines, "quoted", נחל, ?'
    assert (warned["event"], warned["message"]) == ("warning", "lost")
    assert {key: failed[key] for key in failed if key != "time"} == {
        "event": "error",
        "problem": "no such file",
        "hint": "check it",
    }


def test_on_a_terminal_words_stand_above_the_bar_which_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with using(TextLog()), task("annotating", 2, "files") as progress, task("evaluating", 3, "images"):
        progress.advance()
        reporting.say("[bold] is no markup")
    shown = terminal.getvalue()
    assert "[bold] is no markup" in shown
    assert "annotating" in shown
    assert shown.endswith("\x1b[2K\x1b[?25h\r")  # the line of the bar is cleared, the cursor is back


def test_the_log_of_before_is_in_use_again_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    with using(JsonLog()), using(QuietLog()):
        reporting.say("unheard")
    reporting.say("heard")
    assert capsys.readouterr().err == "heard\n"
