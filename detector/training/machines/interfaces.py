"""By which of its networks a machine reaches the first one of a run."""

from __future__ import annotations

import os
import socket
import struct
import sys

from backbones.errors import HoopoeError

GLOO = "GLOO_SOCKET_IFNAME"
_ASK_ADDRESS = 0x8915  # SIOCGIFADDR of Linux
_REQUEST = "16s16x8x"  # ifreq: the name, and room for the answer


def choose_interface(host: str) -> None:
    """Let gloo use the network by which the first machine is reached, unless somebody has chosen one.

    Left alone it takes the one that this machine's own name leads to, which on many Linux systems is the loopback: no
    other machine is reached by that.

    Args:
        host: The first machine.

    Raises:
        HoopoeError: Nobody knows it.
    """
    try:
        own = own_address(host)
    except OSError as error:
        hint = "check its name, and the network; all machines must know it by this name"
        problem = f"there is no way to the first machine, {host} ({error.strerror or error})"
        raise HoopoeError(problem, where="--rendezvous", hint=hint) from error
    if GLOO not in os.environ and (name := interface_of(own)) is not None:
        os.environ[GLOO] = name


def own_address(host: str) -> str:
    """The address of this machine in the network in which another one is; nothing is sent."""
    found = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)
    family, kind, _, _, address = found[0]
    with socket.socket(family, kind) as asking:
        asking.connect(address)
        return str(asking.getsockname()[0])


def interface_of(address: str) -> str | None:
    """The name of the network interface that has an IPv4 address; None: nobody knows."""
    if sys.platform != "linux" or ":" in address:
        return None
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asking, _ASK_ADDRESS, struct.pack(_REQUEST, name.encode()[:15]))
            except OSError:  # it has none
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    return None
