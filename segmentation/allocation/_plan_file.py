"""A plan written down in a file: resources, what actions take, and the curves of the segments."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from segmentation._format import name_some
from segmentation.allocation._plan_curves import PlanFileError, by_action, check_keys, curve_of, number_of, table_of
from segmentation.allocation._resource import Resource
from segmentation.assignment import UNASSIGNED
from segmentation.curves import ResponseCurve

__all__ = ["PlanFile", "PlanFileError", "read_plan"]

# What `allocate` takes as it stands in the file; lists become tuples where it wants pairs.
PASSED_ON = (
    "bounds",
    "contact_cap",
    "contacts",
    "exclusive",
    "fixed_costs",
    "level",
    "min_share",
    "minimum_if_funded",
    "objective",
    "target",
)
KEYS = ("actions", "current", "current_per", "curves", "note", "period", "resources", *PASSED_ON)
EVERY = "*"


@dataclass(frozen=True, eq=False)
class PlanFile:
    """What a plan file says, before it meets a profile; see `read_plan`.

    Attributes
    ----------
    resources : tuple of Resource
    uses : dict or None
        Action to {resource: amount}.
    curves : dict
        Segment (or ``"*"``) to one curve's description, or to {action: description}.
    current : dict
        Segment to effort, or to {action: effort}.
    options : dict
        Further arguments of `allocate`.
    period, note : str
        What the outcomes are counted over, and where the figures come from.
    """

    resources: tuple[Resource, ...]
    uses: dict[str, dict[str, float]] | None
    curves: dict[str, Any]
    current: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    current_per: str = "segment"
    period: str = ""
    note: str = ""

    def arguments(self, profile: pd.DataFrame, *, random_state: Any = 0) -> dict[str, Any]:
        """Return the arguments of `allocate` for the segments of a profile.

        Parameters
        ----------
        profile : DataFrame
            From `segmentation.profile_segments`: its index are the segments, and curves may be multiplied with its
            columns. The unassigned, and segments without customers, get nothing unless the file names them.
        random_state : int, numpy Generator or RandomState, default=0
            For the draws of curves with a stated uncertainty.

        Raises
        ------
        PlanFileError
            If the file names a segment or a column that the profile does not have, or lacks a curve.
        """
        rows = {str(name): name for name in profile.index}
        for where in ("curves", "current"):
            self._check_segments(where, rows)
        curves: dict[tuple[Any, str] | Any, ResponseCurve] = {}
        for text, name in rows.items():
            if text in self.curves or (EVERY in self.curves and _counts(profile.loc[name], name)):
                described = self.curves.get(text, self.curves.get(EVERY))
                for action, one in by_action(described).items():
                    place = f"curves.{text if text in self.curves else EVERY}" + (f".{action}" if action else "")
                    curve = curve_of(one, place, profile.loc[name], text, random_state)
                    curves[(name, action) if action else name] = curve
        if not curves:
            raise PlanFileError("[curves] gives no segment of the profile a curve: describe one, or '*' for all.")
        result: dict[str, Any] = {"curves": curves, "resources": self.resources, "uses": self.uses, **self.options}
        if "contact_cap" in self.options:
            result["n_customers"] = self.customers(profile)
        current = _current(self, rows, curves, profile)
        return result | ({"current": current} if current else {})

    def customers(self, profile: pd.DataFrame) -> dict[Any, float]:
        """Return the customers of each segment that the file gives a curve."""
        return {
            name: number_of(profile.loc[name], "n_customers", "the profile", str(name))
            for name in profile.index
            if str(name) in self.curves or (EVERY in self.curves and _counts(profile.loc[name], name))
        }

    def _check_segments(self, where: str, rows: Mapping[str, Any]) -> None:
        unknown = [name for name in getattr(self, where) if name not in rows and name != EVERY]
        if unknown:
            raise PlanFileError(
                f"[{where}] names {name_some(unknown)}, which is no segment; segments: {name_some(rows, 10)}."
            )


def read_plan(source: str | PathLike[str] | Mapping[str, Any]) -> PlanFile:
    """Read resources, actions and curves from a TOML file, or from a dict of the same shape.

    Parameters
    ----------
    source : path or mapping
        The file's tables:

        ``[[resources]]``
            ``name``, ``amount``, and if wanted ``unit``, ``price``, ``integer``: see `Resource`.
        ``[actions.NAME]``
            ``uses = {RESOURCE = amount per unit of effort}``. Not needed with one resource and one action.
        ``[curves.SEGMENT]`` or ``[curves.SEGMENT.ACTION]``
            One curve; the segment ``"*"`` stands for all that are not named. In one of three ways: ``family`` and its
            parameters (``family = "exponential"``, ``top``, ``rate``); ``points = [[effort, outcome], ...]``, with
            ``uncertainty`` if wanted (`curves.from_points`); ``effect`` of one ``effort``, with its ``se``
            (`curves.from_lift`). ``per = "customer"`` where it is that of one customer, ``times = COLUMN`` to multiply
            its outcome with a column of the profile, ``randomized = true`` where chance decided who got the effort.
        ``[current]``
            Efforts of today: ``SEGMENT = effort`` or ``SEGMENT = {ACTION = effort}``; the segment ``"*"`` as above.
            With ``current_per = "customer"`` (before the tables) they are those of one customer.
        ``period``, ``note``
            Such as ``period = "quarter"``; a note stands beside every result.
        further keys
            ``bounds``, ``contact_cap``, ``contacts``, ``exclusive``, ``fixed_costs``, ``level``, ``min_share``,
            ``minimum_if_funded``, ``objective`` and ``target``: as in `allocate`.

    Returns
    -------
    PlanFile

    Raises
    ------
    PlanFileError
        If the file is no TOML, or holds what nothing is made of; the message names the place.
    FileNotFoundError

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.allocation import allocate, read_plan
    >>> plan = read_plan(
    ...     {
    ...         "resources": [{"name": "budget", "amount": 100, "unit": "EUR"}],
    ...         "curves": {"*": {"points": [[1, 0.02], [3, 0.04]], "per": "customer", "times": "clv_mean"}},
    ...     }
    ... )
    >>> profile = pd.DataFrame({"n_customers": [40, 60], "clv_mean": [90.0, 10.0]}, index=["loyal", "new"])
    >>> allocate(**plan.arguments(profile)).efforts.round(1).tolist()
    [100.0, 0.0]
    """
    content = dict(source) if isinstance(source, Mapping) else _load(Path(source))
    check_keys(content, KEYS, "the plan")
    resources = _resources(content.get("resources"))
    curves = table_of(content.get("curves"), "curves", "[curves.SEGMENT] with its family or points")
    if not curves:
        raise PlanFileError("the plan has no [curves.SEGMENT]: say what effort brings, for each segment or for '*'.")
    current = table_of(content.get("current", {}), "current", "SEGMENT = effort")
    options = {key: _passed_on(key, content[key]) for key in PASSED_ON if key in content}
    return PlanFile(
        resources=resources,
        uses=_uses(table_of(content.get("actions", {}), "actions", "[actions.NAME] with uses"), resources),
        curves=curves,
        current=current,
        options=options,
        current_per=_one_of(content, "current_per", ("segment", "customer")),
        period=_text(content, "period"),
        note=_text(content, "note"),
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanFileError(f"{str(path)!r} is no TOML file: {error}.") from error
    except IsADirectoryError as error:
        raise PlanFileError(f"{str(path)!r} is a folder, not a plan file.") from error


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key, "")
    if not isinstance(value, str):
        raise PlanFileError(f"{key} must be text, got {value!r}.")
    return value.strip()


def _resources(given: Any) -> tuple[Resource, ...]:
    if not isinstance(given, list | tuple) or not given:
        raise PlanFileError("the plan has no [[resources]]: give at least one, with name and amount.")
    result = []
    for number, one in enumerate(given, start=1):
        where = f"resource {number}"
        entries = table_of(one, where, "name and amount")
        check_keys(entries, ("name", "amount", "unit", "price", "integer"), where)
        missing = [key for key in ("name", "amount") if key not in entries]
        if missing:
            raise PlanFileError(f"{where} has no {name_some(missing)}.")
        try:
            result.append(Resource(**entries))
        except (TypeError, ValueError) as error:
            raise PlanFileError(f"{where}: {error}") from error
    return tuple(result)


def _uses(actions: dict[str, Any], resources: tuple[Resource, ...]) -> dict[str, dict[str, float]] | None:
    if not actions:
        return None
    result = {}
    for action, given in actions.items():
        where = f"actions.{action}"
        entries = table_of(given, where, "uses = {RESOURCE = amount}")
        check_keys(entries, ("uses",), where)
        result[action] = table_of(entries.get("uses"), f"{where}.uses", "{RESOURCE = amount}")
        check_keys(result[action], tuple(resource.name for resource in resources), f"{where}.uses")
    return result


def _passed_on(key: str, value: Any) -> Any:
    if key == "bounds":
        return _pairs(value)
    return value


def _pairs(value: Any) -> Any:
    """Turn lists of two numbers into the tuples that bounds are."""
    if isinstance(value, Mapping):
        return {key: _pairs(one) for key, one in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _one_of(content: Mapping[str, Any], key: str, allowed: Sequence[str]) -> str:
    value = content.get(key, allowed[0])
    if value not in allowed:
        raise PlanFileError(f"{key} must be one of {list(allowed)}, got {value!r}.")
    return str(value)


def _current(
    plan: PlanFile, rows: Mapping[str, Any], curves: Mapping[Any, Any], profile: pd.DataFrame
) -> dict[Any, Any]:
    """Return today's efforts by segment, or by (segment, action)."""
    result: dict[Any, Any] = {}
    for text, name in rows.items():
        effort = plan.current.get(text, plan.current.get(EVERY))
        if effort is None:
            continue
        per_action = effort if isinstance(effort, Mapping) else {"": effort}
        for action, value in per_action.items():
            item = (name, action) if action else name
            # "*" means the segments and actions that have a curve; what is named must have one, or allocate refuses it
            if text in plan.current or item in curves:
                result[item] = _times_customers(plan, value, profile.loc[name], text)
    return result


def _times_customers(plan: PlanFile, effort: Any, row: pd.Series[Any], segment: str) -> Any:
    if isinstance(effort, bool) or not isinstance(effort, int | float):
        raise PlanFileError(f"current.{segment}: an effort must be a number, got {effort!r}.")
    if plan.current_per == "segment":
        return effort
    return effort * number_of(row, "n_customers", "current_per", segment)


def _counts(row: pd.Series[Any], name: Any) -> bool:
    """Whether a segment is meant by "*": it has customers and is none of the unassigned."""
    return name != UNASSIGNED and not ("n_customers" in row and not float(row["n_customers"]) > 0)
