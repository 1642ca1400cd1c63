"""A part of the media list that is told by the files' names alone: `--shard 17/64`, for queues without a cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backbones.errors import ConfigError
from detector.types import MediaItem, media_id

_FORM = re.compile(r"(\d{1,9})/(\d{1,9})")


@dataclass(frozen=True)
class ListShard:
    """One of so many parts: each file is in exactly one, and in the same in every run, whatever else is on the card.

    Attributes:
        number: From 1.
        count: How many parts there are.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> ListShard:
        """Read the value of `--shard`.

        Raises:
            ConfigError: It is no such part.
        """
        form = _FORM.fullmatch(text)
        number, count = (int(form[1]), int(form[2])) if form else (0, 0)
        if not 1 <= number <= count:
            hint = "such as 17/64; the first of 64 parts is 1/64, the last one 64/64 (Slurm: --array=1-64)"
            raise ConfigError(f"{text} is no part of the files", where="--shard", hint=hint)
        return cls(number, count)

    def holds(self, item: MediaItem, whole_folders: bool = False) -> bool:
        """Whether a file is in this part.

        Args:
            item: The file.
            whole_folders: Whether all files of its folder are in the same part.
        """
        told_by = media_id(item.card, item.path.rpartition("/")[0]) if whole_folders else item.media_id
        return int(told_by[1:], 16) % self.count == self.number - 1
