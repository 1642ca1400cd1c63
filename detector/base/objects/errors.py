"""What can be wrong with an object, and with the service that keeps it: the one is a file's fault, the other is not."""

from __future__ import annotations

import re

from backbones.errors import HoopoeError, MediaError

_SECRETS = re.compile(
    r"(?<=://)[^/@\s]+:[^@\s]+@|\?[^\s'\"]*(?:X-Amz-|Signature|AWSAccessKeyId|sig=|token)[^\s'\"]*", re.IGNORECASE
)
_LONGEST = 200


class ObjectMissingError(MediaError):
    """There is no such object: the service answers, and says so."""


class AccessError(MediaError):
    """The service does not let this process have an object, which says nothing about the object."""


class ServiceError(HoopoeError):
    """The service does not answer, or not usefully, also after many tries: nothing is known of any object."""


def said_by_service(error: BaseException) -> str:
    """An error's words in one line, without credentials and signed addresses."""
    words = " ".join(str(error).split()) or type(error).__name__
    return without_secrets(words)[:_LONGEST]


def without_secrets(text: str) -> str:
    """A text without names and passwords in addresses, and without signatures."""
    return _SECRETS.sub("", text)
