"""The names that a person used last, each under a key that stays its own as long as it is among them.

Were the last one always the first, the same key would say one name now and another after the next picture.
"""

from __future__ import annotations

from collections.abc import Iterable

KEYS = 9


class RecentNames:
    """Names by their keys.

    Args:
        names: That were used before, the last first.

    Attributes:
        names: The first is that of the key 1.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = list(names)[:KEYS]
        self._used = self.names[::-1]  # the last one last

    def use(self, name: str) -> None:
        """A name was given: a new one takes a free key, or that of the name that was not used for longest."""
        if name not in self.names:
            if len(self.names) < KEYS:
                self.names.append(name)
            else:
                self.names[self.names.index(self._used.pop(0))] = name
        self._used = [each for each in self._used if each != name] + [name]
