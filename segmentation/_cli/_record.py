"""What a run leaves behind so that it can be compared with another one, and how it is read."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segmentation import __version__
from segmentation._cli._errors import CommandError, needs_extra, one_line
from segmentation._cli._files import Orders
from segmentation._cli._job import Result, Settings
from segmentation._cli._model import fingerprint, model_of, record_of
from segmentation._cli._write import FORMATS, NEEDS, TABLE_FILES, digest, original
from segmentation._format import column_difference, count, name_some
from segmentation.assignment import UNASSIGNED
from segmentation.compose import assign
from segmentation.segmenters import KMeansSegmenter

__all__ = ["RUN", "Run", "read_run", "run_record"]

RUN = "run"
FORMAT, FORMAT_VERSION = "customer-segments run", 1
LARGEST = 50_000_000


@dataclass(frozen=True)
class Run:
    """A run as its folder has it, ids as text.

    `model` places customers as the run did, None where that is not certain; `notes` say why, and what else is to mind.
    """

    folder: Path
    orders: str
    columns: dict[str, str]
    first_day: dt.date
    last_day: dt.date
    settings: dict[str, Any]
    features: pd.DataFrame
    scores: pd.DataFrame | None
    assignment: pd.DataFrame
    model: KMeansSegmenter | None
    model_id: str
    data_id: str
    notes: list[str] = field(default_factory=list)

    @property
    def n_days(self) -> int:
        """Days of orders, the first and the last among them."""
        return (self.last_day - self.first_day).days + 1


def run_record(orders: Orders, result: Result, settings: Settings, kind: str) -> dict[str, Any]:
    """Return what `run.json` says, but for the fingerprints of the tables, which `write_tables` adds."""
    model = record_of(result.segmenter)
    scores = [name for name in result.customers.columns if name not in (*result.features.columns, *ASSIGNMENT)]
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "program_version": __version__,
        "orders": orders.source,
        "columns": dict(orders.columns),
        "first_day": _iso(result.report.observation_start),
        "last_day": _iso(result.report.observation_end),
        "n_customers": len(result.customers),
        "features": list(result.features.columns),
        "scores": scores,
        "settings": {
            "n_segments": settings.n_segments,
            "as_of": None if settings.as_of is None else settings.as_of.isoformat(),
            "horizon_days": settings.horizon_days,
            "refunds": settings.refunds,
            "purchase_model": settings.purchase_model,
            "annual_discount_rate": settings.annual_discount_rate,
            "margin": settings.margin,
            "random_state": settings.random_state,
            "minimum_cell": settings.minimum_cell,
        },
        "model": model,
        "model_sha256": fingerprint(model),
        "table_format": kind,
    }


ASSIGNMENT = ("segment", "membership")


def _iso(day: Any) -> str:
    return dt.date.isoformat(day)


def read_run(folder: Path) -> Run:
    """Read the folder that a run has written.

    Nothing in the folder is executed: `run.json` and the table hold figures and texts only.

    Raises
    ------
    CommandError
        If there is no such folder, no run has written it, a version too new or too old has, or it is damaged.
    """
    record = _record(folder)
    notes: list[str] = []
    try:
        features, scores = list(map(str, record["features"])), list(map(str, record["scores"]))
        table = _customers(folder, record, [*ASSIGNMENT, *features, *scores], notes)
        first, last = (dt.date.fromisoformat(record[name]) for name in ("first_day", "last_day"))
        segments = record["model"]["segments"]
        rebuilt = model_of(record["model"])
        columns, settings = dict(record["columns"]), dict(record["settings"])
        orders = str(record["orders"])
    except (KeyError, TypeError, ValueError) as error:
        raise CommandError(f"{_run_file(folder)!r} is damaged: {one_line(error)}. Run again.") from error
    assignment = _assignment(table, segments, folder)
    figures = table[features].astype(np.float64)
    if not np.isfinite(figures.to_numpy()).all():
        raise CommandError(f"{str(folder)!r}: features of customers are missing or not finite. Run again.")
    model: KMeansSegmenter | None = rebuilt
    replayed = assign(rebuilt, figures)["segment"].astype(str)
    differ = int((replayed != assignment["segment"].astype(str)).sum())
    if differ:
        notes.append(
            f"{str(folder)!r}: the model of the run puts {count(differ, 'customer')} elsewhere than its table does, so "
            "one of the two was changed: what definitions did is not told from what customers did"
        )
        model = None
    return Run(
        folder=folder,
        orders=orders,
        columns=columns,
        first_day=first,
        last_day=last,
        settings=settings,
        features=figures,
        scores=table[scores].astype(np.float64) if scores else None,
        assignment=assignment,
        model=model,
        model_id=str(record["model_sha256"]),
        data_id=str(record["files"]["customers"]["sha256"]),
        notes=notes,
    )


def _run_file(folder: Path) -> str:
    return str(folder / f"{RUN}.json")


def _record(folder: Path) -> dict[str, Any]:
    """Read `run.json`, or say why the folder is none of a run."""
    if not os.path.lexists(folder):
        raise CommandError(f"there is no folder {str(folder)!r}.")
    if not os.path.isdir(folder):
        raise CommandError(f"{str(folder)!r} is no folder: give the folder that a run wrote with --output.")
    path = folder / f"{RUN}.json"
    if not os.path.isfile(path):
        earlier = [name for name in TABLE_FILES if os.path.isfile(folder / name)]
        raise CommandError(
            f"{str(folder)!r} has {name_some(earlier)} and no {RUN}.json: an earlier version wrote it, which left too "
            "little for a comparison. Run again with --output."
            if earlier
            else f"{str(folder)!r} is no folder of a run: it has no {RUN}.json. 'python -m segmentation FILE --output "
            "DIR' writes one."
        )
    try:
        if path.stat().st_size > LARGEST:
            raise CommandError(f"{str(path)!r} is larger than any that a run writes.")
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"cannot read {str(path)!r}: {one_line(error.strerror or error)}.") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{str(path)!r} is damaged: it is no JSON. Run again.") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise CommandError(f"{str(path)!r} was not written by a run of this program.")
    version = record.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise CommandError(f"{str(path)!r} is damaged: its format has no version. Run again.")
    if version > FORMAT_VERSION:
        raise CommandError(
            f"{str(path)!r} was written by version {str(record.get('program_version'))!r}, which is newer than this "
            f"one ({__version__}): pip install --upgrade customer-segments"
        )
    return record


def _customers(folder: Path, record: dict[str, Any], columns: list[str], notes: list[str]) -> pd.DataFrame:
    """Read the table of customers as the run has written it."""
    kind = record["table_format"]
    if kind not in FORMATS:
        raise ValueError(f"its tables have the format {kind!r}")
    path = folder / f"customers.{kind}"
    if not os.path.isfile(path):
        raise CommandError(f"{str(folder)!r} has no {path.name}, which the run wrote. Run again.")
    if kind in NEEDS and importlib.util.find_spec(NEEDS[kind][1]) is None:
        raise needs_extra(*NEEDS[kind], f"reading {path.name}")
    try:
        if digest(path) != record["files"]["customers"]["sha256"]:
            notes.append(f"{str(path)!r} was changed after the run: the comparison is of what it holds now")
        table = _read(path, kind)
    except CommandError:
        raise
    except OSError as error:
        raise CommandError(f"cannot read {str(path)!r}: {one_line(error.strerror or error)}.") from error
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise CommandError(f"{str(path)!r} is no readable table: {one_line(error) or repr(error)}") from error
    if any(name not in table.columns for name in ["customer_id", *columns]):
        difference = column_difference(["customer_id", *columns], list(table.columns))
        raise CommandError(f"{str(path)!r}: {difference}. Run again.")
    ids = pd.Index([str(value) for value in table["customer_id"]], dtype=object, name="customer_id")
    if not len(ids):
        raise CommandError(f"{str(path)!r} has no customers.")
    twice = ids[ids.duplicated()].unique()
    if len(twice):
        raise CommandError(f"{str(path)!r} has customers twice: {name_some(twice)}.")
    table = table[columns].set_axis(ids, axis=0)
    for name in columns[1:]:
        try:
            table[name] = [_float(value) for value in table[name]]
        except (TypeError, ValueError) as error:
            raise CommandError(f"{str(path)!r}: column {name!r} holds other things than numbers.") from error
    return table


def _read(path: Path, kind: str) -> pd.DataFrame:
    if kind == "parquet":
        from pyarrow import parquet

        found: pd.DataFrame = parquet.ParquetFile(path).read().to_pandas(ignore_metadata=True)
        return found
    if kind == "csv":
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", lineterminator=None)
    else:
        table = pd.read_excel(path, dtype=object, na_filter=False, engine="openpyxl")
    return table.rename(columns=original).map(original)


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("no number")
    return math.nan if value is None or value is pd.NA or value == "" else float(value)


def _assignment(table: pd.DataFrame, segments: Any, folder: Path) -> pd.DataFrame:
    known = [*map(str, segments), UNASSIGNED]
    names = table["segment"].map(str)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise CommandError(
            f"{str(folder)!r}: customers are in segments that the run does not know: {name_some(unknown)}."
        )
    membership = table["membership"].to_numpy(dtype=np.float64)
    if not ((membership >= 0) & (membership <= 1)).all():
        raise CommandError(f"{str(folder)!r}: membership must lie in [0, 1]. Run again.")
    segment = pd.Categorical(names, categories=pd.Index(known, dtype=object))
    return pd.DataFrame({"segment": segment, "membership": membership}, index=table.index)
