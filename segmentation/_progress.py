"""Progress of long work: on standard error, and only where somebody is looking."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

__all__ = ["progress"]


def progress(
    items: Iterable[Any] | None = None,
    *,
    what: str,
    total: int | None = None,
    unit: str = "step",
    show: bool | None = None,
) -> Any:
    """Show how far a piece of work is; nothing stays on the screen when it is done.

    Parameters
    ----------
    items : iterable, optional
        What is worked through. Without it, call ``update()`` on the result, which is a context manager.
    what : str
        The work, as it stands before the bar; ``set_description_str`` on the result changes it.
    total : int, optional
        Number of items, where `items` is not given or does not know.
    unit : str, default="step"
        What one item is called.
    show : bool or None, default=None
        Whether to show it. None: only if standard error is a terminal.

    Returns
    -------
    tqdm.tqdm
        Iterates over `items`; does nothing else where it is not shown.

    Examples
    --------
    >>> sum(progress([1, 2, 3], what="adding", show=False))
    6
    >>> with progress(what="fitting", total=2, show=False) as bar:
    ...     for _ in range(2):
    ...         _ = bar.update()
    """
    stream = sys.stderr
    shown = bool(getattr(stream, "isatty", bool)()) if show is None else show
    # Steps that are counted by hand take unequal times, so an estimate of what remains would mislead.
    layout = "{desc}: {n_fmt}/{total_fmt} [{elapsed}]" if items is None else None
    return tqdm(
        items,
        desc=what,
        total=total,
        unit=unit,
        disable=not shown,
        file=stream,
        leave=False,
        dynamic_ncols=True,
        bar_format=layout,
    )
