"""Running one command from within another, shown as a user would type it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


class CommandFailedError(Exception):
    """A command within a command has failed, and has said why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


def run_command(*words: object, accepted: Sequence[int] = (0,)) -> None:
    """Show a command, and run it.

    Args:
        words: What stands after `hoopoe`.
        accepted: Exit codes with which it may end.

    Raises:
        CommandFailedError: It has failed.
    """
    from detector.cli.main import main

    texts = [str(word) for word in words]
    print(f"$ hoopoe {shlex.join(texts)}", flush=True)
    code = main(texts)
    if code not in accepted:
        raise CommandFailedError(code)
