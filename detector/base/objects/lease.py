"""One writer at a time among objects: a lease that its holder renews, and that others take over once it lapses."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from backbones.errors import HoopoeError
from detector.base.objects.address import Address
from detector.base.objects.errors import ObjectMissingError
from detector.base.objects.holder import Holder
from detector.base.objects.service import asking, delete_object, filesystem, find, fs_path, put_object, read_object

RENEWED_S = 60.0  # how often a holder renews
LAPSED_S = 600.0  # after which a lease counts no longer; above what clocks of machines differ by
_TAKEN = ("PreconditionFailed", "FileExistsError", "ConditionalRequestConflict", "pre-conditions you specified")


class Lease:
    """A small object with its holder's name in it, put there only if there is none, or one that counts no longer.

    It counts no longer when it has lapsed, or when its holder was a process of this machine that has ended. S3 and
    Google decide who was first, by conditional writes; elsewhere what is read back decides.

    Args:
        address: Of the object.
        what: That is written to, for messages.

    Raises:
        HoopoeError: Another process holds it.
    """

    def __init__(self, address: Address, what: Address) -> None:
        self.address, self.what = address, what
        self._token = secrets.token_hex(8)
        found = find(address)
        if found is None:
            won = self._put({"mode": "create"}, {"IfNoneMatch": "*"})
        else:
            self._refuse_if_held(_content(address))
            won = self._put({}, {"IfMatch": f'"{found.version}"'})
        if not won or not self.is_held():
            raise _held(what, _content(address))

    def renew(self) -> None:
        """Say that the holder is still there."""
        put_object(self.address, self._words())

    def is_held(self) -> bool:
        """Whether it is still this holder's."""
        return bool(_content(self.address).get("token") == self._token)

    def release(self) -> None:
        """Let others write."""
        if self.is_held():
            delete_object(self.address)

    def _refuse_if_held(self, content: dict[str, Any]) -> None:
        holder = Holder.read(content)
        lapsed = time.time() - float(content.get("renewed") or 0) >= LAPSED_S
        if not lapsed and (holder is None or not holder.has_gone):
            raise _held(self.what, content)

    def _words(self) -> bytes:
        return json.dumps({**Holder.here().facts(), "token": self._token, "renewed": time.time()}).encode()

    def _put(self, options: dict[str, Any], s3_options: dict[str, Any]) -> bool:
        """Whether the lease could be put: a service that knows conditions says no to all but the first."""
        files, path = filesystem(self.address.protocol), fs_path(self.address)

        def put() -> bool:
            try:
                if self.address.protocol == "s3":
                    where = {"Bucket": self.address.bucket, "Key": self.address.key}
                    files.call_s3("put_object", **where, Body=self._words(), **s3_options)
                elif self.address.protocol == "gs":
                    files.pipe_file(path, self._words(), **options)
                else:
                    files.pipe_file(path, self._words())
            except Exception as error:
                if any(sign in f"{type(error).__name__}: {error}" for sign in _TAKEN):
                    return self.is_held()  # an answer that was lost, and the second try is told no
                raise
            return True

        return asking(self.address, put)


def _content(address: Address) -> dict[str, Any]:
    try:
        content = json.loads(read_object(address))
    except (ObjectMissingError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _held(what: Address, content: dict[str, Any]) -> HoopoeError:
    holder = Holder.read(content) or content.get("holder") or "another process"
    hint = f"wait until it is done, or end it: {LAPSED_S / 60:.0f} minutes after it was last seen its lease lapses"
    return HoopoeError(f"{holder} is writing to this store", where=what, hint=hint)
