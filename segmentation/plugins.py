"""Plug-ins of other packages, found through entry points.

A package that offers a segmenter names it in its ``pyproject.toml``::

    [project.entry-points."segmentation.segmenters"]
    season = "my_package.seasons:SeasonSegmenter"

The groups are ``segmentation.segmenters``, ``segmentation.scorers`` and ``segmentation.prioritizers``.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

import pandas as pd

from segmentation._format import name_some, nearest
from segmentation.base import Prioritizer, Scorer, Segmenter
from segmentation.exceptions import PluginError

__all__ = ["GROUPS", "available", "load"]

Kind = Literal["segmenter", "scorer", "prioritizer"]

GROUPS = {
    "segmenter": "segmentation.segmenters",
    "scorer": "segmentation.scorers",
    "prioritizer": "segmentation.prioritizers",
}
"""Entry-point group of each kind of plug-in."""

_INTERFACES: dict[str, Any] = {"segmenter": Segmenter, "scorer": Scorer, "prioritizer": Prioritizer}


def available(kind: Kind | None = None) -> pd.DataFrame:
    """List the installed plug-ins, without importing any of them.

    Parameters
    ----------
    kind : {"segmenter", "scorer", "prioritizer"}, optional
        By default all kinds.

    Returns
    -------
    pandas.DataFrame
        One row per plug-in, sorted: ``kind``, ``name``, ``package``, ``version``, ``target`` (module:class).

    Raises
    ------
    PluginError
        If two packages offer the same name for one kind.
    ValueError
        If `kind` is none of the three.

    Examples
    --------
    >>> from segmentation import plugins
    >>> plugins.available().columns.tolist()
    ['kind', 'name', 'package', 'version', 'target']
    """
    rows = []
    for one in [_checked_kind(kind)] if kind is not None else GROUPS:
        for name, entry in sorted(_found(one).items()):
            package, version = _origin(entry)
            rows.append((one, name, package, version, entry.value))
    return pd.DataFrame(rows, columns=["kind", "name", "package", "version", "target"])


def load(kind: Kind, name: str) -> type[Any]:
    """Import a plug-in and return its class.

    Parameters
    ----------
    kind : {"segmenter", "scorer", "prioritizer"}
    name : str
        As `available` lists it.

    Returns
    -------
    type
        A subclass of the interface, not an instance.

    Raises
    ------
    PluginError
        If there is no such plug-in, two packages offer it, it cannot be imported, or it is not a subclass of the
        interface.
    ValueError
        If `kind` is none of the three.
    """
    found = _found(_checked_kind(kind))
    if name not in found:
        close = nearest(name, found)
        raise PluginError(
            f"no {kind} plug-in {name!r} is installed; there are: {name_some(sorted(found)) or 'none'}."
            f"{f' Did you mean {name_some(close)}?' if close else ''}"
        )
    entry = found[name]
    package, _ = _origin(entry)
    try:
        loaded = entry.load()
    except Exception as error:  # whatever importing somebody else's module raises
        raise PluginError(
            f"{kind} plug-in {name!r} of {package} ({entry.value}) cannot be imported: {type(error).__name__}: {error}"
        ) from error
    interface = _INTERFACES[kind]
    if not (isinstance(loaded, type) and issubclass(loaded, interface)):
        raise PluginError(
            f"{kind} plug-in {name!r} of {package} ({entry.value}) is not a subclass of {interface.__name__}."
        )
    return loaded


def _checked_kind(kind: Any) -> str:
    if kind not in GROUPS:
        raise ValueError(f"kind must be one of {name_some(GROUPS)}, got {kind!r}.")
    return str(kind)


def _found(kind: str) -> dict[str, EntryPoint]:
    """Return the entry points of a kind by name, refusing a name that two packages offer."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUPS[kind]):
        other = found.get(entry.name)
        # the same distribution may stand twice on the path (an editable install beside a wheel)
        if other is not None and (other.value, _origin(other)) != (entry.value, _origin(entry)):
            packages = name_some(sorted({_origin(other)[0], _origin(entry)[0]}))
            raise PluginError(
                f"two {kind} plug-ins are called {entry.name!r}: {other.value} and {entry.value} (of {packages}). "
                "Uninstall one, or ask its author for another name."
            )
        found[entry.name] = entry
    return found


def _origin(entry: EntryPoint) -> tuple[str, str]:
    """Return package and version of an entry point."""
    return (entry.dist.name, entry.dist.version) if entry.dist is not None else ("unknown", "unknown")
