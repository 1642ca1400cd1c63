"""From the category ids of COCO files, sparse and in any order, to labels 0 ... K - 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backbones.errors import DataError
from detector.base.yaml_text import read_yaml

EVERY_OTHER = "*"  # the key of a mapping that stands for all names it does not list
DROPPED = -1  # the label of a category whose boxes are left out


@dataclass(frozen=True)
class CategoryMapping:
    """Which name a category of a file has in training.

    A name mapped to None loses its boxes, and what they showed becomes background: a detector of birds should stay
    silent on a person, and be marked down where it is not. (A region to be *ignored* is an annotation with iscrowd 1.)

    Args:
        names: From a file's name to the name in training, or None; the key `*` stands for every name not listed. Names
            that nothing maps stay as they are.
    """

    names: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def agnostic(cls, name: str = "bird") -> CategoryMapping:
        """Every category is the same one."""
        return cls({EVERY_OTHER: name})

    @classmethod
    def read(cls, path: Path) -> CategoryMapping:
        """Read a mapping from a YAML file of lines `from: to`, where `to` may be null.

        Raises:
            DataError: If the file is not such a mapping.
        """
        hint = "write one line a category: `name in the file: name in training`, or `name: null` to drop its boxes"
        names = read_yaml(path, DataError)
        if not isinstance(names, dict):
            raise DataError(f"a mapping of names was expected, not {type(names).__name__}", where=path, hint=hint)
        for source, target in names.items():
            if not isinstance(source, str) or not (target is None or isinstance(target, str)):
                raise DataError(f"'{source}: {target}' does not map a name to a name", where=path, hint=hint)
        return cls(names)

    def __getitem__(self, name: str) -> str | None:
        """The name in training of a file's category; None drops its boxes."""
        return self.names[name] if name in self.names else self.names.get(EVERY_OTHER, name)


def join_categories(files: Sequence[Mapping[int, str]], mapping: CategoryMapping) -> tuple[str, ...]:
    """The names in training over several files, joined by name.

    Args:
        files: Name by category id, for each file.
        mapping: Renames and drops.

    Returns:
        Names by label: in the order of the ids of the first file, then what each further file adds.
    """
    mapped = (mapping[categories[each]] for categories in files for each in sorted(categories))
    return tuple(dict.fromkeys(name for name in mapped if name is not None))


def labels_by_id(
    categories: Mapping[int, str], mapping: CategoryMapping, names: Sequence[str]
) -> tuple[dict[int, int], list[str]]:
    """The label of every category id of one file.

    Args:
        categories: Name by category id.
        mapping: Renames and drops.
        names: Names by label.

    Returns:
        Label by category id (`DROPPED` where the mapping drops), and the names in the file that have no label.
    """
    label_of: dict[str | None, int] = {name: label for label, name in enumerate(names)} | {None: DROPPED}
    targets = {category: mapping[name] for category, name in categories.items()}
    unknown = [categories[category] for category, target in targets.items() if target not in label_of]
    return {category: label_of[target] for category, target in targets.items() if target in label_of}, unknown
