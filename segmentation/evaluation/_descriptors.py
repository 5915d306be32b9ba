"""Variables that did not form the segments: which of them differ between segments, beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some
from segmentation.evaluation._describe_variables import Variable
from segmentation.evaluation._descriptors_levels import exact_p_values, newcombe, table_test
from segmentation.evaluation._descriptors_numeric import MeanTests, explained, mean_differences, shuffle_means
from segmentation.exceptions import ColumnError
from segmentation.features._association import Feature, associate
from segmentation.governance._association import holm

__all__ = ["describe_by", "near_copies"]

Codes = NDArray[np.int64]

# An association from which on a descriptor says what a feature says: 81 % of the variance of the ranks.
NEAR_COPY = 0.9
COPY = 1 - 1e-9
COMPARED_AT_MOST = 20_000
TESTS = ["descriptor", "kind", "test", "n", "n_missing", "effect_name", "effect", "effect_low", "effect_high"]
CONTRASTS = [
    "segment", "descriptor", "level", "kind", "n", "value", "rest", "difference", "difference_low", "difference_high",
    "effect",
]  # fmt: skip
FIGURES = ("n", "value", "rest", "difference", "difference_low", "difference_high")
OUTCOME = ["p_value", "p_adjusted", "differs"]


def near_copies(
    descriptors: Sequence[Variable], features: Sequence[Variable], rng: np.random.Generator
) -> dict[str, tuple[str, float]]:
    """Return descriptors that nearly equal a feature, with it and their association; refuse those that equal one.

    Raises
    ------
    ColumnError
        If a descriptor is a feature, by name or in another coding.
    """
    same = [one.name for one in descriptors if one.name in {feature.name for feature in features}]
    if same:
        raise ColumnError(
            f"descriptors and features both hold {name_some(same)}: a variable that formed the segments cannot be "
            "tested on them, because they differ on it by construction. Take it out of one of the two."
        )
    n = len(features[0].numbers)
    rows = np.sort(rng.choice(n, COMPARED_AT_MOST, replace=False)) if n > COMPARED_AT_MOST else slice(None)
    known = [_feature(one, rows) for one in features]
    found: dict[str, tuple[str, float]] = {}
    for descriptor in descriptors:
        mine = _feature(descriptor, rows)
        strength, name = max(((_strength(mine, other), other.name) for other in known), default=(0.0, ""))
        if strength >= COPY:
            raise ColumnError(
                f"the descriptor {descriptor.name!r} is the feature {name!r} in another coding (association 1): the "
                "segments differ on it by construction, so a test would be circular. Take it out of the descriptors."
            )
        if strength >= NEAR_COPY:
            found[descriptor.name] = (str(name), strength)
    return found


def _feature(variable: Variable, rows: Any) -> Feature:
    numbers = variable.numbers[rows]
    known = numbers[~np.isnan(numbers)]
    if not len(known) or known.min() == known.max():
        return Feature(variable.name, "empty", numbers)
    nominal = variable.kind == "category" and len(variable.levels) > 2
    return Feature(variable.name, "nominal" if nominal else "ranked", numbers)


def _strength(a: Feature, b: Feature) -> float:
    strength, p_value = associate(a, b)
    return strength if p_value < 1e-3 else 0.0


def describe_by(
    descriptors: Sequence[Variable],
    codes: Codes,
    segments: Sequence[str],
    *,
    untested: dict[str, tuple[str, float]],
    level: float,
    alpha: float,
    n_permutations: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row per descriptor, and one per segment and descriptor or level, Holm's correction over both."""
    of_numbers = [one for one in descriptors if one.kind in ("numeric", "interval")]
    place = {one.name: i for i, one in enumerate(of_numbers)}
    means = None
    if of_numbers:
        values = np.column_stack([one.numbers for one in of_numbers])
        means = shuffle_means(values, codes, len(segments), n_permutations=n_permutations, rng=rng, level=level)
    tests, contrasts = [], []
    for one in descriptors:
        group, y = codes[one.known], one.numbers[one.known]
        head = {"descriptor": one.name, "kind": one.kind, "n": len(y), "n_missing": one.n_missing}
        if one.kind in ("numeric", "interval"):
            effect = explained(y, group, len(segments), level)
            assert means is not None  # noqa: S101  # this one is a number
            test, p_value = "Welch's statistic, shuffled", means.overall[place[one.name]]
            contrasts += _of_means(one, y, group, segments, means, place[one.name], level)
            name = "share of variance explained"
        else:
            levels = one.levels if one.kind == "category" else ("no", "yes")
            table = np.zeros((len(segments) + 1, len(levels)))
            np.add.at(table, (group, y.astype(np.int64)), 1)
            test, p_value, *effect = table_test(  # type: ignore[assignment]
                table[:-1], level=level, n_permutations=n_permutations, rng=rng
            )
            contrasts += _of_levels(one, table, segments, level)
            name = "Cramer's V"
        if one.name in untested:
            test, p_value = "none: nearly a feature", np.nan
        tests.append(
            head
            | {"test": test, "effect_name": name, "p_value": p_value}
            | dict(zip(("effect", "effect_low", "effect_high"), effect, strict=True))
        )
    first, second = pd.DataFrame(tests), pd.DataFrame(contrasts)
    second.loc[second["descriptor"].isin(list(untested)), "p_value"] = np.nan
    _correct(first, second, alpha)
    order = {segment: i for i, segment in enumerate(segments)}
    second = second.iloc[np.argsort(second["segment"].map(order).to_numpy(), kind="stable")].reset_index(drop=True)
    return first[[*TESTS, *OUTCOME]], second[[*CONTRASTS, *OUTCOME]]


def _of_means(
    one: Variable,
    y: NDArray[np.float64],
    group: Codes,
    segments: Sequence[str],
    means: MeanTests,
    place: int,
    level: float,
) -> list[dict[str, Any]]:
    figures = mean_differences(y, group, len(segments), level)
    if means.low is not None and means.high is not None:
        figures[:, 4], figures[:, 5] = means.low[:, place], means.high[:, place]
    sd = float(y.std()) if len(y) else 0.0
    return [
        {
            "segment": segment,
            "descriptor": one.name,
            "level": "",
            "kind": one.kind,
            **dict(zip(FIGURES, figures[i], strict=True)),
            "effect": figures[i, 3] / sd if sd > 0 else np.nan,
            "p_value": means.against_rest[i, place],
            "same_test": -1,
        }
        for i, segment in enumerate(segments)
    ]


def _of_levels(
    one: Variable, table: NDArray[np.float64], segments: Sequence[str], level: float
) -> list[dict[str, Any]]:
    levels = list(enumerate(one.levels)) if one.kind == "category" else [(1, "")]
    whole, n = table.sum(axis=0), float(table.sum())
    sizes = table[: len(segments)].sum(axis=1)
    asked = [code for code, _ in levels]
    inside_all = table[: len(segments), asked]
    p_values = exact_p_values(
        inside_all.ravel(),
        np.repeat(sizes, len(asked)),
        np.tile(whole[asked], len(segments)),
        np.full(inside_all.size, n),
    ).reshape(inside_all.shape)
    rows = []
    for i, segment in enumerate(segments):
        size = float(sizes[i])
        for place, (code, name) in enumerate(levels):
            inside, yes = float(table[i, code]), float(whole[code])
            low, high = newcombe(inside, size, yes - inside, n - size, level)
            value = inside / size if size else np.nan
            rest = (yes - inside) / (n - size) if n > size else np.nan
            # of two levels the second asks the same question as the first: one test, not two
            rows.append(
                {
                    "segment": segment,
                    "descriptor": one.name,
                    "level": name,
                    "kind": one.kind,
                    "n": size,
                    "value": value,
                    "rest": rest,
                    "difference": value - rest,
                    "difference_low": low,
                    "difference_high": high,
                    "effect": value - rest,
                    "p_value": p_values[i, place],
                    "same_test": 1 if len(levels) == 2 and code == 1 else -1,
                }
            )
    return rows


def _correct(tests: pd.DataFrame, contrasts: pd.DataFrame, alpha: float) -> None:
    """Holm's correction over all tests of both tables; a row that repeats the one before it takes its figure."""
    contrasts["n"] = contrasts["n"].astype(np.int64)
    repeats = contrasts.pop("same_test").to_numpy() > 0
    p = np.concatenate([tests["p_value"].to_numpy(dtype=np.float64), contrasts["p_value"].to_numpy(dtype=np.float64)])
    counted = ~np.isnan(p) & ~np.concatenate([np.zeros(len(tests), dtype=bool), repeats])
    adjusted = np.full(len(p), np.nan)
    if counted.any():
        adjusted[counted] = holm(p[counted])
    again = np.flatnonzero(repeats) + len(tests)
    adjusted[again] = adjusted[again - 1]
    for table, part in ((tests, adjusted[: len(tests)]), (contrasts, adjusted[len(tests) :])):
        table["p_adjusted"] = part
        table["differs"] = part < alpha
