"""Asking a service for objects: by fsspec, with retries of our own, and every fault told apart.

A missing object is a fact about it. Everything else (errors 500 and 503, SlowDown, time-outs, connections that break)
is a fact about the service: it is asked again, later each time, and when that does not help the work stops, as nothing
may be recorded of objects that nobody has seen. Credentials come by each library's usual chain and are never looked at.
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from backbones.errors import ConfigError
from detector.base.objects.address import Address
from detector.base.objects.errors import AccessError, ObjectMissingError, ServiceError, said_by_service

Answer = TypeVar("Answer")

TRIES = 8  # at 0.1, 0.2 ... 6.4 s with jitter, about 13 s in all, after which a service counts as sick
FIRST_PAUSE_S = 0.1
TIMEOUT_S = 60.0  # of a read in which nothing comes
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}
_ARCHIVED = ("InvalidObjectState",)
_PAST_END = ("InvalidRange", "not satisfiable")  # said also of the first byte of an empty object
_NO_BUCKET = ("NoSuchBucket", "bucket does not exist", "ContainerNotFound")
_NO_CREDENTIALS = ("NoCredentials", "PartialCredentials", "CredentialRetrieval", "DefaultCredentials", "TokenRetrieval")
_DENIED_ERRNO = (errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class ObjectInfo:
    """What a listing says of an object.

    Attributes:
        key: In its bucket.
        size_bytes: Of the object.
        version: Its ETag or generation, which another content has not; None: the service gives none.
    """

    key: str
    size_bytes: int
    version: str | None = None


@cache
def filesystem(protocol: str) -> Any:
    """The fsspec file system of a protocol, one a process.

    Raises:
        ConfigError: The package that speaks to it is not installed.
    """
    options: dict[str, Any] = {"use_listings_cache": False}
    if protocol == "s3":
        # one place retries, ours: botocore's tries times s3fs's tries times ours would take a quarter of an hour
        retries = {"max_attempts": 0}
        options["config_kwargs"] = {"retries": retries, "connect_timeout": 10, "read_timeout": TIMEOUT_S}
    try:
        import fsspec

        found = fsspec.filesystem(protocol, **options)
    except ImportError as error:
        package = _PACKAGES.get(protocol, "fsspec")
        hint = f"`pip install hoopoe[cloud]` brings {package}"
        raise ConfigError(f"{protocol}:// needs the package {package}", where=f"{protocol}://", hint=hint) from error
    if protocol == "s3":
        found.retries = 1
    return found


def fs_path(address: Address) -> str:
    """An address as fsspec wants it."""
    return f"/{address.bucket}/{address.key}" if address.protocol == "memory" else f"{address.bucket}/{address.key}"


def asking(where: Address, question: Callable[[], Answer], tries: int = TRIES) -> Answer:
    """Ask a service, again where it is sick.

    Args:
        where: What is asked for, for messages.
        question: Asks once.
        tries: How often it is asked at most.

    Raises:
        ObjectMissingError: There is no such object.
        AccessError: It may not be had.
        ServiceError: The service is sick, also after the last try, or there is no such bucket.
    """
    for number in range(tries):
        try:
            return question()
        except Exception as error:
            _raise_if_final(where, error)
            if number == tries - 1:
                hint = "run the same command again when the service is well: it goes on from here"
                problem = f"the service does not answer, also at the {tries}th try ({said_by_service(error)})"
                raise ServiceError(problem, where=where, hint=hint) from error
        time.sleep(FIRST_PAUSE_S * 2**number * random.uniform(0.5, 1.0))
    raise AssertionError("unreachable")


def _raise_if_final(where: Address, error: Exception) -> None:
    """Raise what asking again would not change."""
    words = _words(error)
    if any(sign in words for sign in _NO_BUCKET):
        raise ServiceError("there is no such bucket", where=where, hint="check its name and the endpoint") from error
    if any(sign in words for sign in _NO_CREDENTIALS):
        hint = "give them as this cloud's own tools want them: in the environment, in a file, or by the machine's role"
        raise ServiceError("there are no credentials for it", where=where, hint=hint) from error
    if isinstance(error, FileNotFoundError):
        raise ObjectMissingError("the object is not there", where=where, hint="upload it again") from error
    if any(sign in words for sign in _ARCHIVED):
        problem = "the object is in an archive, from which it must be restored first"
        raise ObjectMissingError(problem, where=where, hint="restore it, then --retry-failed") from error
    if isinstance(error, PermissionError) or getattr(error, "errno", None) in _DENIED_ERRNO:
        hint = "check the rights and whether the credentials are still valid; then run the same command again"
        raise AccessError(f"access is denied ({said_by_service(error)})", where=where, hint=hint) from error
    if isinstance(error, (TypeError, ValueError, AttributeError, NotImplementedError, ConfigError)):
        raise error  # ours


def _words(error: Exception) -> str:
    """What an error says, and the one behind it: s3fs keeps the service's own code in that alone."""
    return f"{type(error).__name__}: {error} {error.__cause__ or ''}"


def find(address: Address) -> ObjectInfo | None:
    """What there is at an address; None: no object.

    Raises:
        AccessError, ServiceError: See `asking`.
    """
    files = filesystem(address.protocol)
    try:
        info = asking(address, lambda: files.info(fs_path(address)))
    except ObjectMissingError:
        return None
    return info_of(address.bucket, info) if info.get("type") == "file" else None


def info_of(bucket: str, info: dict[str, Any]) -> ObjectInfo:
    """An entry of fsspec's as ours."""
    key = info["name"].lstrip("/").removeprefix(f"{bucket}/")
    version = info.get("ETag") or info.get("etag") or info.get("generation")
    return ObjectInfo(key, int(info.get("size") or 0), None if version is None else str(version).strip('"'))


def read_object(address: Address, start: int | None = None, end: int | None = None) -> bytes:
    """The content of an object, or of a range of it, in one request; a range past its end is empty.

    Raises:
        ObjectMissingError, AccessError, ServiceError: See `asking`.
    """
    files = filesystem(address.protocol)

    def read() -> bytes:
        try:
            content: bytes = files.cat_file(fs_path(address), start=start, end=end)
        except Exception as error:
            if start is not None and any(sign in _words(error) for sign in _PAST_END):
                return b""
            raise
        return content

    return asking(address, read)


def put_object(address: Address, content: bytes) -> None:
    """Write an object whole, in one request: nobody ever sees a half of it.

    Raises:
        AccessError, ServiceError: See `asking`.
    """
    files = filesystem(address.protocol)
    asking(address, lambda: files.pipe_file(fs_path(address), content))


def delete_object(address: Address) -> None:
    """Remove an object; one that is not there is no fault."""
    files = filesystem(address.protocol)
    try:
        asking(address, lambda: files.rm_file(fs_path(address)))
    except ObjectMissingError:
        return
