"""A run of several processes ends in all of them when one goes, with a sentence that says which.

Each process holds a connection to the first one, and the first of each machine to those of all others; nothing is sent
on them while all is well. A process that dies closes its own, at once; that a machine is down, or a network cut between
any two, the systems find out by keep-alive probes, which are answered however busy, or held up, a process itself is.
Collectives alone would wait for half an hour.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any

import torch
import torch.distributed
from lightning_fabric import Fabric

from backbones.errors import HoopoeError
from detector.base.reporting.current import current
from detector.training.machines.interfaces import own_address
from detector.training.machines.losses import IDLE_S, INTERVAL_S, PROBES, SILENT_S, Loss, Member
from detector.training.machines.meeting import PREPARING, TRAINING, collectives_wait
from detector.training.machines.placing import ADDRESS

GRACE_S = 5.0  # in which a process that hears of a loss may end by itself: most do, as their collective has failed
MEETING_S = 60.0
EXIT_CODE = 2  # that of errors that their reader can mend
_SILENT = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)
_LONGEST = 4096  # bytes of a message


class Lifeline:
    """Held by all processes while they train; without others it does nothing.

    Args:
        fabric: Of the processes, which have been started.

    Attributes:
        at_end: What is done before a process is ended that hangs in a collective.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.own, self.processes = fabric.global_rank, fabric.world_size
        self.at_end: Callable[[], None] = lambda: None
        self._connections: dict[int, socket.socket] = {}
        self._loss: Loss | None = None
        self._heard, self._out, self._closed = threading.Event(), threading.Event(), threading.Event()
        self._waking = threading.Lock()
        self._members = [Member(self.own, fabric.node_rank, socket.gethostname())]
        self._preparing = True
        if self.processes > 1:
            collectives_wait(PREPARING)
            self._members = _gathered(self._members[0], self.processes)
            word = self._connect(fabric)
            self._connect_machines(word)

    @property
    def member(self) -> Member:
        """This process."""
        return self._members[self.own]

    def training_begins(self) -> None:
        """From now on the processes take as long as each other, and one that fails speaks for itself alone."""
        self._preparing = False
        if self.processes > 1:
            collectives_wait(TRAINING)

    def __enter__(self) -> Lifeline:
        if self.processes > 1:
            os.register_at_fork(after_in_child=self._forget)  # workers would keep it open after this process
            threading.Thread(target=self._watch, name="lifeline", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.set()
        loss = None if error is None else self.explains(error)
        if error is None:
            self._tell({"bye": True})
        elif loss is None:
            self._tell(Loss(self.own, "failed", _words(error)).message())
            if self._preparing and isinstance(error, HoopoeError) and self.own != self._speaker():
                self._closed.set()  # all of a machine are refused alike, and its first one says it
                raise SystemExit(EXIT_CODE) from error
        self._closed.set()
        if loss is not None:
            if not self._speaks(loss):
                raise SystemExit(EXIT_CODE) from error
            raise loss.error(self._members) from error

    def explains(self, error: BaseException) -> Loss | None:
        """The loss of another process that is behind an error, if there is one; it may take a moment to be heard of."""
        if self.processes == 1 or not isinstance(error, RuntimeError) or isinstance(error, torch.OutOfMemoryError):
            return None
        if _is_of_network(error):
            self._heard.wait(GRACE_S)
        return self._loss

    def _connect(self, fabric: Fabric) -> str:
        """One connection from the first process to each other; returns the word: who does not know it is none."""
        if fabric.is_global_zero:
            with _server() as server:
                word = secrets.token_hex(16)
                fabric.broadcast((server.getsockname()[1], word))
                self._welcome(server, word, range(1, self.processes))
            return word
        port, word = fabric.broadcast((0, ""))
        self._greet(0, os.environ[ADDRESS], port, word)
        return word

    def _connect_machines(self, word: str) -> None:
        """One connection between the first processes of any two machines but the first one."""
        firsts = sorted({each.machine: each.process for each in reversed(self._members)}.values())[1:]
        if len(firsts) < 2:
            return
        with _server() as server:
            here = own_address(os.environ[ADDRESS]), server.getsockname()[1]
            places = _gathered(here, self.processes)
            if self.own not in firsts:
                return
            for process in firsts:
                if process < self.own:
                    host, port = places[process]
                    self._greet(process, host, port, word)
            self._welcome(server, word, [process for process in firsts if process > self.own])

    def _welcome(self, server: socket.socket, word: str, expected: Collection[int]) -> None:
        until = time.monotonic() + MEETING_S
        while missing := [process for process in expected if process not in self._connections]:
            server.settimeout(max(0.1, until - time.monotonic()))
            try:
                process, connection = _welcomed(server, word)
            except TimeoutError as error:
                raise _unreachable(self._members[missing[0]], self.member) from error
            if process in expected:
                self._connections[process] = connection

    def _greet(self, process: int, host: str, port: int, word: str) -> None:
        try:
            connection = socket.create_connection((host, port), timeout=MEETING_S)
            connection.sendall(f"{word} {self.own}\n".encode())
        except OSError as error:
            raise _unreachable(self.member, self._members[process]) from error
        connection.settimeout(None)
        self._connections[process] = connection
        _keep_alive(connection)

    def _forget(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _watch(self) -> None:
        texts = dict.fromkeys(self._connections, b"")
        with selectors.DefaultSelector() as selector:
            for process, connection in self._connections.items():
                selector.register(connection, selectors.EVENT_READ, process)
            while not self._closed.is_set() and self._loss is None:
                for key, _ in selector.select(1.0):
                    process = key.data
                    try:
                        said = self._connections[process].recv(_LONGEST)
                    except OSError as error:
                        self._end(Loss(process, "silent" if error.errno in _SILENT else "ended", by=self.own))
                        break
                    lines = (texts[process] + said).split(b"\n")
                    texts[process] = lines.pop()[:_LONGEST]
                    messages = [_message(line) for line in lines]
                    if any("bye" in message for message in messages):
                        selector.unregister(key.fileobj)
                    elif found := [loss for each in messages if (loss := Loss.read(each, self.processes)) is not None]:
                        self._end(found[0])
                        break
                    elif not said:
                        self._end(Loss(process, "ended", by=self.own))
                        break
        for connection in self._connections.values():
            connection.close()

    def _end(self, loss: Loss) -> None:
        """End this process, which may hang in a collective for a loss that it will never hear of."""
        if self._closed.is_set() or self._loss is not None:
            return
        self._loss = loss
        self._tell(loss.message())  # before this process closes its connections: it is not it that has gone
        self._heard.set()
        if self._out.wait(GRACE_S):
            return
        ending = threading.Thread(target=self.at_end, daemon=True)  # a tracker, too, may wait for the network
        ending.start()
        ending.join(GRACE_S)
        if self._speaks(loss):
            error = loss.error(self._members)
            current().error(error.problem, error.where, error.hint)
        os._exit(EXIT_CODE)

    def _tell(self, message: dict[str, Any]) -> None:
        for connection in self._connections.values():
            with contextlib.suppress(OSError), self._waking:  # it has gone too
                connection.sendall(json.dumps(message).encode() + b"\n")

    def _speaks(self, loss: Loss) -> bool:
        """Whether this process tells people of its machine."""
        return self.own == self._speaker(loss.process)

    def _speaker(self, lost: int | None = None) -> int:
        """The first process of this machine of those that are left."""
        return min(
            each.process for each in self._members if each.machine == self.member.machine and each.process != lost
        )


def _gathered(value: Any, processes: int) -> list[Any]:
    """A value of each process."""
    values: list[Any] = [None] * processes
    torch.distributed.all_gather_object(values, value)
    return values


def _server() -> socket.socket:
    """Listens in all networks of this machine, at a free port."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    return socket.create_server(("", 0), backlog=1024)


def _welcomed(server: socket.socket, word: str) -> tuple[int, socket.socket]:
    """The next process that knows the word, and its connection; -1: it was somebody else."""
    connection, _ = server.accept()
    connection.settimeout(MEETING_S / 6)
    try:
        with connection.makefile("rb", buffering=0) as lines:  # what is said next is none of this
            said = lines.readline(128).split()
    except OSError:
        said = []
    if len(said) != 2 or not secrets.compare_digest(said[0], word.encode()) or not said[1].isdigit():
        connection.close()
        return -1, connection
    connection.settimeout(None)
    _keep_alive(connection)
    return int(said[1]), connection


def _keep_alive(connection: socket.socket) -> None:
    """Let the system ask the other one whether it is there, and give up after `SILENT_S`."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"  # the latter is macOS's
    options = {idle: IDLE_S, "TCP_KEEPINTVL": INTERVAL_S, "TCP_KEEPCNT": PROBES, "TCP_USER_TIMEOUT": SILENT_S * 1000}
    for name, value in options.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _message(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _is_of_network(error: RuntimeError) -> bool:
    # gloo raises plain RuntimeErrors: "Connection closed by peer", "Timed out waiting", "Read error ... reset"
    words = str(error).lower()
    named = any(word in words for word in ("peer", "gloo", "nccl", "connection", "timed out", "timeout", "socket"))
    return named or isinstance(error, torch.distributed.DistError)


def _words(error: BaseException) -> str:
    if isinstance(error, HoopoeError):
        return f"{error.problem} ({error.where})" if error.where else error.problem
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    return f"{type(error).__name__}: {error}"


def _unreachable(member: Member, first: Member) -> HoopoeError:
    hint = "open the ports between the machines, and check that --rendezvous names the first one as all others know it"
    return HoopoeError(f"{member} does not reach {first}", where="--rendezvous", hint=hint)
