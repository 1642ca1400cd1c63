"""One process on this computer alone: it listens, says where, and ends when it is told to."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from contextlib import closing, suppress

import uvicorn

from backbones.errors import ConfigError
from detector.review.web.answers import Answers
from detector.review.web.app import build_app
from detector.review.web.guarding import HOST, Keys

PATIENCE_S = 5  # for requests that are being answered when it ends
TURN_S = 5e-4  # that a thread computes at most while another waits: an answer is not to wait for what is counted anew


def listen(port: int) -> socket.socket:
    """A socket on this computer alone.

    Args:
        port: 0: any that is free.

    Raises:
        ConfigError: It is not free.
    """
    try:
        return socket.create_server((HOST, port))  # also where connections to an earlier start are not forgotten yet
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"this port cannot be listened on ({error})",
            where=f"--port {port}",
            hint="leave --port out, or take another",
        ) from error


def serve(answers: Answers, port: int, started: Callable[[str], None]) -> None:
    """Answer until an interrupt or SIGTERM comes; what was said is on the disk at any moment.

    Args:
        answers: To what the page asks; closed at the end.
        port: See `listen`.
        started: Is called with the address, once it is listened on.

    Raises:
        ConfigError: The port is not free.
    """
    with closing(answers), closing(listen(port)) as listening:
        keys = Keys(listening.getsockname()[1])
        config = uvicorn.Config(
            build_app(answers, keys),
            access_log=False,
            log_level="warning",
            server_header=False,
            ws="none",
            http="h11",
            timeout_graceful_shutdown=PATIENCE_S,
            lifespan="off",
        )
        listening.listen(config.backlog)
        sys.setswitchinterval(TURN_S)
        answers.warm()
        started(keys.address)  # connections wait until it answers
        with suppress(KeyboardInterrupt):  # the signal that ended it comes again: it is how people leave
            uvicorn.Server(config).run(sockets=[listening])
