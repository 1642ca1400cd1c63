"""Where progress is shown: what `--quiet` and `--log` ask for."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from detector.base.reporting.current import current, using
from detector.base.reporting.json_log import JsonLog
from detector.base.reporting.tasks import Log
from detector.base.reporting.text_log import QuietLog, TextLog

STDERR = 2  # the number of its file, whatever Python writes to
NO_BARS = "HF_HUB_DISABLE_PROGRESS_BARS"  # of the library that downloads


@contextmanager
def asked_log(words: Sequence[str]) -> Iterator[None]:
    """Show progress as the words of a command line ask, for as long as it runs; without such words, as before.

    Of several processes of one training, the first one speaks.
    """
    log = _log(words)
    if isinstance(log, TextLog):
        with using(log):
            yield
        return
    with using(log), warnings.catch_warnings(), _without_bars():
        if not isinstance(log, JsonLog):
            yield
            return
        with _others_as_events(log):
            yield


@contextmanager
def _others_as_events(log: JsonLog) -> Iterator[None]:
    """Turn what libraries warn, log and write to stderr into events, so that every line there is one."""
    warnings.showwarning = lambda message, *_, **__: log.warn(str(message))
    handler = _ToLog(log)
    logging.getLogger().addHandler(handler)
    try:
        with _lines_as_events(log):
            yield
    finally:
        logging.getLogger().removeHandler(handler)


@contextmanager
def _lines_as_events(log: JsonLog) -> Iterator[None]:
    """Send the lines that C libraries and child processes write to this process's stderr through the log."""
    try:
        sys.stderr.fileno()
        ours = os.dup(STDERR)
    except (AttributeError, OSError):  # it is captured, as by a test, or closed: nothing but Python writes there
        yield
        return
    reading, writing = os.pipe()
    os.dup2(writing, STDERR)
    os.close(writing)
    with os.fdopen(ours, "w", encoding="utf-8", errors="backslashreplace") as log.out:
        reader = threading.Thread(target=_pass_on, args=(reading, log), daemon=True)
        reader.start()
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(ours, STDERR)
            reader.join(timeout=1)  # a child that lives on keeps the pipe open
            log.out.flush()
    log.out = None


def _pass_on(reading: int, log: JsonLog) -> None:
    with os.fdopen(reading, encoding="utf-8", errors="replace") as lines, contextlib.suppress(ValueError):
        for line in lines:  # ValueError: the log is closed already
            if line.strip():
                log.warn(line.rstrip())


class _ToLog(logging.Handler):
    """Passes on what libraries log, which would stand on stderr between the events otherwise."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        self.log.warn(self.format(record))


def _log(words: Sequence[str]) -> Log:
    if int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", os.environ.get("SLURM_PROCID", "0")))):
        return QuietLog()
    formats = [word for before, word in zip(("", *words), words, strict=False) if before == "--log"]
    formats += [word.removeprefix("--log=") for word in words if word.startswith("--log=")]
    if "json" in formats:
        return JsonLog()
    if "text" in formats:
        return TextLog()
    return QuietLog() if "--quiet" in words else current()


@contextmanager
def _without_bars() -> Iterator[None]:
    before = os.environ.get(NO_BARS)
    os.environ[NO_BARS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[NO_BARS]
        else:
            os.environ[NO_BARS] = before
