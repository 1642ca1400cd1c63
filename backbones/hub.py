"""Published weights: which there are, and how they come from the Hugging Face hub to this machine."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from backbones.errors import ConfigError, DownloadError

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

logger = logging.getLogger(__name__)

ORGANISATION = "birder-project"
STALL_S, TOTAL_S = 90.0, 3600.0  # without a byte, and in all, after which a download is given up
_LOOK_S = 0.5
_SIZE_SLACK = 8  # in 2^20 bytes: the registry rounds
_HASH = re.compile(r"[0-9A-Fa-f]{7,64}")  # of a commit, a Git blob, or a large file
ATTEMPTS = 3  # huggingface_hub resumes after cut and stalled connections by itself, but not after a reset one


@dataclass(frozen=True)
class PublishedWeights:
    """One published checkpoint: the repository `birder-project/NAME` on the hub, with the file `NAME.pt`.

    Attributes:
        name: Name of the weights, as users write it.
        network: Name of the network that they fit, one of `list_models()`.
        sha256: Hash of the whole file, in hexadecimal.
        megabytes: Size of the file, in 2^20 bytes.
    """

    name: str
    network: str
    sha256: str
    megabytes: float

    @property
    def most_bytes(self) -> int:
        """Of what the server sends for this file."""
        return int((self.megabytes + _SIZE_SLACK) * 2**20)

    @property
    def repository(self) -> str:
        return f"{ORGANISATION}/{self.name}"

    @property
    def filename(self) -> str:
        return f"{self.name}.pt"

    @property
    def url(self) -> str:
        """Address of the file, at the endpoint that huggingface_hub is set to."""
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repository, self.filename)


# Hashes and sizes from birder 0.8.4's registry (birder/net/davit.py, birder/net/biformer.py).
PUBLISHED: dict[str, PublishedWeights] = {
    weights.name: weights
    for weights in (
        PublishedWeights(
            "biformer_s_il-all",
            network="biformer_s",
            sha256="ecce546d5adde5cc335a98245b9cc7fddb0ba43628b0d105d974ae6537cbacf7",
            megabytes=96.8,
        ),
        PublishedWeights(
            "davit_tiny_il-all",
            network="davit_tiny",
            sha256="ba42050975d56527b61eac6faf0de77bb6aa0467fd676ef3556654cd967146a4",
            megabytes=107.0,
        ),
    )
}


def find_published(name: str) -> PublishedWeights:
    """Return the published weights of that name.

    Raises:
        ConfigError: There are none; the error names the nearest ones.
    """
    if name in PUBLISHED:
        return PUBLISHED[name]
    near = difflib.get_close_matches(name, PUBLISHED, n=2, cutoff=0.4) or sorted(PUBLISHED)
    raise ConfigError("no weights of this name are published", where=name, hint=f"did you mean {' or '.join(near)}?")


def download(name: str) -> Path:
    """Return the file of published weights, fetching it from the hub where this machine does not have it yet.

    huggingface_hub's cache, endpoint, offline mode, tokens and progress bar are used as they are (HF_HOME, HF_ENDPOINT,
    HF_HUB_OFFLINE ...). A cached file with the right hash is used without a look at the network. A file `NAME.pt` that
    was put into the cache folder by hand counts as cached.

    Args:
        name: One of `list_pretrained_models()`.

    Returns:
        Path of a file whose sha256 is the published one.

    Raises:
        ConfigError: No weights of this name are published.
        DownloadError: The file cannot be fetched, or is not the published one. Nothing of the user's is deleted.
    """
    from huggingface_hub import try_to_load_from_cache

    weights = find_published(name)
    placed = _placed_by_hand(weights)
    if placed.is_file():
        return _checked(placed, weights)
    cached = try_to_load_from_cache(weights.repository, weights.filename)
    if isinstance(cached, str) and _sha256(Path(cached)) == weights.sha256:
        return Path(cached)
    return _checked(_fetch(weights, is_cached=isinstance(cached, str)), weights)


def _fetch(weights: PublishedWeights, *, is_cached: bool) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HTTPError,  # the httpx's that this huggingface_hub is built on; covers connections that break
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        if not is_cached:
            # Without a network huggingface_hub retries for half a minute; one question first answers at once.
            with contextlib.suppress(HfHubHTTPError):
                get_hf_file_metadata(weights.url)  # only asked: what it says is checked below
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with _checked_headers(weights):
                    return Path(_watched(partial(hf_hub_download, weights.repository, weights.filename), weights))
            except HTTPError as error:
                if isinstance(error, HfHubHTTPError) or attempt == ATTEMPTS:
                    raise
                logger.warning("%s: %s; trying again (%d of %d)", weights.url, error, attempt + 1, ATTEMPTS)
    except OfflineModeIsEnabled as error:
        raise _not_fetched("not on this machine yet, and offline mode (HF_HUB_OFFLINE) is on", weights) from error
    except LocalEntryNotFoundError as error:
        raise _not_fetched(f"the hub cannot be reached ({error.__cause__ or error})", weights) from error
    except HfHubHTTPError as error:
        found = "the hub has no such file" if isinstance(error, EntryNotFoundError) else "the hub refused"
        raise _not_fetched(f"{found} (HTTP status {error.response.status_code})", weights) from error
    except HTTPError as error:
        raise _not_fetched(f"the connection failed ({error})", weights) from error
    except OSError as error:
        raise _not_fetched(f"the file could not be stored ({error})", weights) from error
    raise AssertionError("unreachable: the last attempt returns or raises")


@contextlib.contextmanager
def _checked_headers(weights: PublishedWeights) -> Iterator[None]:
    """Have each answer of the hub checked before huggingface_hub makes paths in its cache of what it says."""
    from huggingface_hub import file_download

    ask = file_download.get_hf_file_metadata

    def checked(*args: Any, **options: Any) -> HfFileMetadata:
        found = ask(*args, **options)
        for header, text in (("ETag", found.etag), ("X-Repo-Commit", found.commit_hash)):
            if text is not None and not _HASH.fullmatch(text):
                raise _not_fetched(f"the hub's {header} is no hash ({text[:80]!r})", weights)
        if found.size is not None and found.size > weights.most_bytes:
            problem = f"the hub's file has {found.size:,} bytes, the published one {weights.megabytes} MB"
            raise _not_fetched(problem, weights)
        return found

    file_download.get_hf_file_metadata = checked
    try:
        yield
    finally:
        file_download.get_hf_file_metadata = ask


def _watched(fetch: Callable[[], str], weights: PublishedWeights) -> str:
    """Fetch in a thread, and give up when nothing comes for long, or more than there is.

    Raises:
        DownloadError: It was given up; what came so far stays, and the next try goes on from there.
    """
    from huggingface_hub import constants

    blobs = Path(constants.HF_HUB_CACHE) / f"models--{weights.repository.replace('/', '--')}" / "blobs"
    result: Future[str] = Future()

    def work() -> None:
        try:
            result.set_result(fetch())
        except BaseException as error:
            result.set_exception(error)

    Thread(target=work, daemon=True).start()
    start = changed = time.monotonic()
    before = -1
    while not wait([result], timeout=_LOOK_S).done:
        now, size = time.monotonic(), sum(path.stat().st_size for path in blobs.glob("*.incomplete"))
        if size != before:
            before, changed = size, now
        if size > weights.most_bytes:
            raise _not_fetched(f"the server sends more than the {weights.megabytes} MB that the file has", weights)
        if now - changed > STALL_S:
            raise _not_fetched(f"the server has sent nothing for {STALL_S:.0f} seconds", weights)
        if now - start > TOTAL_S:
            raise _not_fetched(f"it was not here after {TOTAL_S / 60:.0f} minutes", weights)
    return result.result()


def _checked(path: Path, weights: PublishedWeights) -> Path:
    found = _sha256(path)
    if found != weights.sha256:
        raise DownloadError(
            f"this is not the published file: its sha256 is {found}, not {weights.sha256}",
            where=path,
            hint=f"delete it and fetch {weights.url} again",
        )
    return path


def _placed_by_hand(weights: PublishedWeights) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / weights.filename


def _not_fetched(problem: str, weights: PublishedWeights) -> DownloadError:
    return DownloadError(
        f"{weights.filename} was not fetched: {problem}",
        where=weights.url,
        hint=f"download this file ({weights.filename} of {weights.repository}, {weights.megabytes} MB) on a machine "
        f"with internet, and put it at {_placed_by_hand(weights)}, or give its path in place of the name",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
