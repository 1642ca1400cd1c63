"""Names, each once, since millions of boxes share them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from detector.types import TaxonName


class NameTable:
    """Names by index.

    Attributes:
        names: In the order in which they were met.

    Args:
        names: Those to begin with.
    """

    def __init__(self, names: Iterable[TaxonName] = ()) -> None:
        self.names = list(names)
        self._index = {name: index for index, name in enumerate(self.names)}

    def index(self, name: TaxonName) -> int:
        """The index of a name, which may be new."""
        found = self._index.setdefault(name, len(self.names))
        if found == len(self.names):
            self.names.append(name)
        return found

    def ranks(self) -> NDArray[np.int64]:
        """Places of the names when they are sorted, which does not depend on the order in which they were met."""
        order = sorted(range(len(self.names)), key=lambda index: tuple(map(str, vars(self.names[index]).values())))
        return np.argsort(np.array(order, np.int64))
