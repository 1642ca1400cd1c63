"""Reading and writing `run.json`, and the rule of what may go into one store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from backbones.errors import ConfigError, DataError
from detector.base.files import write_bytes
from detector.base.json_text import parse_json
from detector.store.file_names import with_prefixes
from detector.store.layout import facts_folder, parts
from detector.store.lock import RUN_LOCK, StoreLock
from detector.store.run_file import CardEntry, DetectorEntry, RunFile, SpeciesEntry, run_file_path
from detector.store.schema import VERSION

Entry = TypeVar("Entry", DetectorEntry, SpeciesEntry)
_MODELS = ("detector", "species", "first_pass")


def read_run(folder: Path) -> RunFile | None:
    """What a store was made from; None where there is no store.

    Raises:
        DataError: `run.json` is damaged, or a newer Hoopoe wrote it.
    """
    path = run_file_path(Path(folder))
    if not path.exists():
        return None
    content = parse_json(path, what="run.json", hint=_MEND)
    version = content.get("version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise DataError(
            f"this store has version {version}; this Hoopoe knows {VERSION}", where=path, hint="update Hoopoe"
        )
    try:
        return RunFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise DataError(f"{key}: {first['msg'].lower()}", where=path, hint=_MEND) from None


def load_run(folder: Path) -> RunFile:
    """What a store was made from.

    Raises:
        DataError: There is no store, or see `read_run`.
    """
    run = read_run(folder)
    if run is None:
        raise DataError(
            "there is no annotation store here (no run.json)",
            where=folder,
            hint="give the folder that was `--output` of `hoopoe annotate`",
        )
    return run


def write_run(folder: Path, run: RunFile) -> None:
    """Write `run.json` whole."""
    text = json.dumps(run.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    # names that are no Unicode come as lone surrogates, which JSON can only hold escaped: \\udcff
    write_bytes(run_file_path(Path(folder)), text.encode(errors="backslashreplace"))


def update_run(folder: Path, change: Callable[[RunFile], RunFile]) -> RunFile:
    """Change `run.json`: nobody else writes it between what `change` is given and what it returns.

    Raises:
        DataError: There is no store.
        HoopoeError: Another process holds the file for too long.
    """
    load_run(folder)  # says that there is no store before a folder is made
    with StoreLock.waiting(Path(folder), RUN_LOCK):
        run = change(load_run(folder))
        write_run(folder, run)
    return run


def merge_run(folder: Path, run: RunFile) -> RunFile:
    """Add a run to a store, and write its `run.json`; call it while holding the store's lock.

    Cards are added, and one that is there gets its new root; models and options must be the store's, unless it has no
    facts yet.

    Args:
        folder: The store, or where it will be.
        run: The run that begins.

    Returns:
        What `run.json` holds now: `species` keeps its overlay, and `decisions` are kept unless `run` has some.

    Raises:
        ConfigError: The store was made by other models or with other options; says which.
    """
    with StoreLock.waiting(Path(folder), RUN_LOCK):
        run = _joined_run(folder, read_run(folder), run)
        write_run(folder, run)
    return run


def _joined_run(folder: Path, before: RunFile | None, run: RunFile) -> RunFile:
    if before is not None and parts(facts_folder(folder)):
        if different := list(differences(before, run)):
            raise ConfigError(
                "this store was made otherwise: " + "; ".join(different),
                where=folder,
                hint="choose another output folder; or give the store's models and options "
                "(`hoopoe reclassify` changes its classifier)",
            )
        models = {name: _found(getattr(before, name), getattr(run, name)) for name in _MODELS}
        run = run.model_copy(update=models)
    if before is None:
        return run.model_copy(update={"cards": with_prefixes({}, run.cards)})
    cards = {**before.cards, **{card: _merged(before.cards.get(card), new) for card, new in run.cards.items()}}
    return before.model_copy(
        update={
            "cards": with_prefixes(before.cards, cards),
            **{name: getattr(run, name) for name in _MODELS},
            "options": run.options,
            "decisions": run.decisions or before.decisions,
            "versions": {**before.versions, **run.versions},
        }
    )


def _found(before: Entry | None, now: Entry | None) -> Entry | None:
    """A model as the store knows it, with where it is now."""
    if before is None or now is None or now.source is None:
        return before
    return before.model_copy(update={"source": now.source})


def set_card_root(folder: Path, card: str, root: str) -> RunFile:
    """Say where a card is now.

    Raises:
        ConfigError: The store knows no such card.
    """
    return update_card(folder, card, root=root)


def update_card(folder: Path, card: str, **changes: object) -> RunFile:
    """Change what `run.json` says of a card, which may be named by its label.

    Raises:
        ConfigError: The store knows no such card.
    """

    def changed(run: RunFile) -> RunFile:
        known = run.card_id(card)
        if known is None:
            cards = ", ".join(sorted({**run.cards, **dict.fromkeys(run.labels.values())})) or "none"
            raise ConfigError(f"the store knows no card '{card}'", where=folder, hint=f"it knows {cards}")
        return run.model_copy(update={"cards": {**run.cards, known: run.cards[known].model_copy(update=changes)}})

    return update_run(folder, changed)


_MEND = "restore it from a copy, or begin a new store in another folder"


def _merged(before: CardEntry | None, now: CardEntry) -> CardEntry:
    if before is None or not before.inputs or not now.inputs:
        inputs = now.inputs if before is None else []  # all, once all were asked for
    else:
        inputs = list(dict.fromkeys([*before.inputs, *now.inputs]))
    kept = now if before is None else before
    return kept.model_copy(update={"root": now.root, "inputs": inputs})


def differences(before: RunFile, now: RunFile) -> Iterator[str]:
    """What of models and options is not alike, in sentences: such runs do not go into one store."""
    if not _same_detector(before.detector, now.detector):
        yield f"its detector is {_named(before.detector)}, not {_named(now.detector)}"
    if not _same_detector(before.first_pass, now.first_pass):
        yield f"its first pass is {_named(before.first_pass)}, not {_named(now.first_pass)}"
    if not _same_species(before.species, now.species):
        yield f"its classifier is {_named(before.species)}, not {_named(now.species)}"
    old, new = _plain(before.options), _plain(now.options)
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield f"{key} is {json.dumps(old.get(key))}, not {json.dumps(new.get(key))}"


def _same_detector(before: DetectorEntry | None, now: DetectorEntry | None) -> bool:
    if before is None or now is None:
        return before is now
    if before.categories != now.categories:
        return False
    return before.sha256 == now.sha256 if before.sha256 and now.sha256 else before.name == now.name


def _same_species(before: SpeciesEntry | None, now: SpeciesEntry | None) -> bool:
    if before is None or now is None:
        return before is now
    if before.classes != now.classes or before.size != now.size:
        return False
    return before.sha256 == now.sha256 if before.sha256 and now.sha256 else before.name == now.name


def _named(entry: DetectorEntry | SpeciesEntry | None) -> str:
    if entry is None:
        return "none"
    return entry.name if entry.sha256 is None else f"{entry.name} ({entry.sha256[:8]})"


def _plain(options: Mapping[str, object]) -> dict[str, object]:
    """As they come back from JSON, where tuples are lists."""
    return json.loads(json.dumps(dict(options)))
