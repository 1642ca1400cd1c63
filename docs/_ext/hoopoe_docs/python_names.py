"""The names of the library, each with its docstring, by way of autodoc."""

from __future__ import annotations

import inspect

import detector

KINDS = {True: "autoclass", False: "autofunction"}


def python_page() -> str:
    """A section a name of `detector.__all__`, verbs and nouns in the order of the alphabet."""
    return "\n".join(_section(name) for name in sorted(getattr(detector, "__all__", ()), key=str.lower))


def _section(name: str) -> str:
    is_class = inspect.isclass(getattr(detector, name))
    members = "   :members:\n" if is_class else ""
    return f"## {name}\n\n```{{eval-rst}}\n.. {KINDS[is_class]}:: detector.{name}\n{members}```\n"
