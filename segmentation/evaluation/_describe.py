"""What each segment is like: on the variables that formed it, and on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation.assignment import as_assignment
from segmentation.evaluation._describe_markers import marker_table
from segmentation.evaluation._describe_result import SegmentDescription
from segmentation.evaluation._describe_variables import Kind, Variable, customer_table, read_variables
from segmentation.evaluation._descriptors import CONTRASTS, OUTCOME, TESTS, describe_by, near_copies
from segmentation.evaluation._medoids import medoid_table
from segmentation.evaluation._refits import root_seed
from segmentation.exceptions import ColumnError, CustomerTableError

__all__ = ["describe_segments"]

# The privacy minimum of governance.suppress_small_cells.
MINIMUM = 10
# Shuffled values that are held and read for the tests: half a minute at most.
SHUFFLED_VALUES = 2_000_000_000
FEWEST_SHUFFLES, MOST_SHUFFLES = 499, 4999
CLUSTERED_AT_MOST = 20_000


def describe_segments(
    assignment: Any,
    features: Any,
    *,
    descriptors: Any = None,
    kinds: Mapping[str, Kind] | None = None,
    min_difference: float = 0.25,
    min_relative: float = 0.5,
    min_standardised: float = 0.5,
    alpha: float = 0.05,
    level: float = 0.9,
    n_medoids: int = 1,
    ids: bool = True,
    minimum: int = MINIMUM,
    missing_as_descriptors: bool = False,
    n_permutations: int | None = None,
    random_state: Any = None,
) -> SegmentDescription:
    """Say what characterises each segment, and on what else the segments differ.

    Variables that **formed** the segments (`features`) and variables that did **not** (`descriptors`) are two things.
    Segments differ on their features by construction, so these get no p-value: of segments made from pure noise nearly
    every feature would be "significant" [1]_. They are described by size of difference: a *marker* is a variable on
    which a segment differs from all customers by the rule of thumb of [1]_. Descriptors are tested, and corrected for
    being many.

    Parameters
    ----------
    assignment : dataframe or Series
        From `segmentation.assign`. Unassigned customers count in the totals and in the rest.
    features : dataframe, or array of shape (n_customers, n_features)
        What formed the segments, one row per customer. Yes/no columns (booleans, 0 and 1, "Yes" and "No"), numbers,
        text or categorical ones, of which every level is a variable. An array is aligned by position.
    descriptors : dataframe, optional
        What did not. One that equals a feature, in whatever coding, is refused; one that nearly does (association of
        at least 0.9) is described and not tested. A descriptor computed from several features is not recognised.
    kinds : mapping of column to {"binary", "numeric", "interval", "category"}, optional
        Where values alone cannot tell: "category" for codes; "interval" for numbers without a zero point such as
        answers on a scale from 1 to 5. By default numbers are "interval" where one is negative.
    min_difference : float, default=0.25
        Binary variables: absolute difference of shares that makes a marker.
    min_relative : float, default=0.5
        Binary variables and quantities: difference relative to the total that makes a marker.
    min_standardised : float, default=0.5
        Interval variables: difference in standard deviations that makes a marker.
    alpha : float, default=0.05
        Chance of any marker, and chance of any difference of descriptors, when segments are shuffled.
    level : float, default=0.9
        Level of the intervals of descriptors.
    n_medoids : int, default=1
        Most typical customers shown per segment; 0 for none.
    ids : bool, default=True
        Whether to show their ids. Their values are personal data with or without.
    minimum : int, default=10
        A segment with fewer customers shows no typical ones, and no sentence is made of it.
    missing_as_descriptors : bool, default=False
        Also test, per descriptor with missing values, whether being missing differs between segments.
    n_permutations : int, optional
        Shuffles behind the tests of means and of sparse tables: by default 4,999, in large tables fewer (499 at least).
    random_state : int, RandomState or Generator, optional
        Seed of shuffles and bootstrap.

    Returns
    -------
    SegmentDescription
        ``table`` (features), ``descriptors`` and ``contrasts`` (tests), ``medoids``, ``markers``, ``warnings``.

    Raises
    ------
    ColumnError
        If a column holds dates or free text, or a descriptor is a feature.
    CustomerTableError
        If no customer is in all tables.
    ValueError
        If a setting is not allowed.

    Notes
    -----
    **Markers.** The difference is that of the segment from all customers. The rule of [1]_ (at least .25 for binary
    variables, or at least 50 % relative) is for shares; quantities use its relative half. A relative difference needs
    a zero point, so interval variables need `min_standardised` instead, which is our addition. In small segments the
    rule flags noise: 50 % of a share of 4 % is 2 points. So a marker must also lie beyond what random segments of
    these sizes show on any variable (chance `alpha` together; hypergeometric for shares, for means the three-moment
    approximation of sampling without replacement, and shuffles where that is skewed). ``rule`` and ``beyond_chance``
    say which of both holds. This bounds the noise in the figure; it is no evidence that the segments exist, which a
    verdict on structure is about.

    **Descriptors.** One test per descriptor over all segments, one per segment (and level) against all other customers,
    Holm's correction over all of these together. Means: Welch's statistics under shuffling, which keep their level
    for skewed money and unequal variances where F tests do not. Shares: Fisher's exact test; tables: chi-squared, by
    shuffling where a cell expects fewer than five. Intervals are for one figure each, not corrected: differences of
    means by the shifts that the shuffling test does not refuse (missing where so few customers bound nothing), of
    shares by Newcombe, share of variance explained by its influence curve, Cramer's V (corrected for bias) by
    bootstrap. Those of means hold their level also for skewed money where a segment's values are those of the rest but
    for a shift; they are about right where only the means are compared, and too short where a small segment has a
    longer tail than all others (benchmarks/bench_describe.py prints how often each holds).

    **Typical customers** have the least summed squared distance to all customers of their segment, variables
    standardised. Customers who lack a value are no candidates.

    References
    ----------
    .. [1] Dolnicar, Gruen, Leisch (2018), Market Segmentation Analysis, chapters 8 and 9,
       doi:10.1007/978-981-10-8818-6.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from segmentation.evaluation import describe_segments
    >>> ids = pd.RangeIndex(400, name="customer_id")
    >>> sport = pd.Series(np.tile([1, 1, 1, 0], 50).tolist() + np.tile([0, 0, 0, 1], 50).tolist(), index=ids)
    >>> segments = pd.Series(["active"] * 200 + ["calm"] * 200, index=ids)
    >>> age = pd.Series(np.tile(np.arange(20, 60), 10), index=ids, name="age")
    >>> found = describe_segments(segments, sport.to_frame("sport"), descriptors=age, random_state=0)
    >>> found.markers
    {'active': ['sport'], 'calm': ['sport']}
    >>> found.descriptors[["descriptor", "differs"]].values.tolist()
    [['age', False]]
    """
    _check(min_difference, min_relative, min_standardised, alpha, level, n_medoids, minimum, n_permutations)
    table = as_assignment(assignment)
    known = customer_table(features, "features", table.index)
    other = None if descriptors is None else customer_table(descriptors, "descriptors", table.index)
    table, known, other, notes = _matched(table, known, other)
    kinds = {str(name): kind for name, kind in (kinds or {}).items()}
    unknown = set(kinds) - set(known.columns) - set(other.columns if other is not None else ())
    if unknown:
        raise ColumnError(f"kinds names columns that are not there: {name_some(sorted(unknown))}.")
    segments = list(table["segment"].cat.categories[:-1])
    codes = table["segment"].cat.codes.to_numpy().astype(np.int64)
    if not (codes < len(segments)).any():
        raise CustomerTableError("there is nothing to describe: every customer is unassigned.")
    variables = read_variables(known, kinds, "features")
    seed = root_seed(random_state)
    rng = np.random.default_rng(seed)
    found = marker_table(
        variables,
        codes,
        segments,
        min_difference=min_difference,
        min_relative=min_relative,
        min_standardised=min_standardised,
        alpha=alpha,
        rng=rng,
    )
    size = np.bincount(codes, minlength=len(segments) + 1)
    notes += _what_to_know(variables, found, segments, size)
    tests, contrasts = pd.DataFrame(columns=[*TESTS, *OUTCOME]), pd.DataFrame(columns=[*CONTRASTS, *OUTCOME])
    shuffles = None
    if other is not None:
        described = read_variables(other, kinds, "descriptors")
        copies = near_copies(described, variables, rng)
        notes += [
            f"the descriptor {name!r} is not tested: it says nearly what the feature {feature!r} says (association "
            f"{strength:.2f}), on which the segments differ by construction."
            for name, (feature, strength) in copies.items()
        ]
        described += _missingness(described) if missing_as_descriptors else []
        shuffles = _n_shuffles(described, len(table)) if n_permutations is None else int(n_permutations)
        tests, contrasts = describe_by(
            described, codes, segments, untested=copies, level=level, alpha=alpha, n_permutations=shuffles, rng=rng
        )
        lacking = [f"{one.name} {one.n_missing:,}" for one in described if one.n_missing]
        if lacking:
            notes.append(
                f"customers without a value are left out, descriptor by descriptor: {', '.join(lacking[:5])}"
                f"{f', ... ({len(lacking)} descriptors in all)' if len(lacking) > 5 else ''}."
            )
    medoids, said = medoid_table(variables, known, codes, segments, n_medoids=n_medoids, minimum=minimum, ids=ids)
    sizes = pd.DataFrame(
        {"n_customers": size[:-1], "share": size[:-1] / len(table)}, index=pd.Index(segments, name="segment")
    )
    settings = {
        "n_customers": len(table),
        "n_unassigned": int(size[-1]),
        "n_segments": len(segments),
        "n_features": len(variables),
        "n_descriptors": len(tests),
        "min_difference": min_difference,
        "min_relative": min_relative,
        "min_standardised": min_standardised,
        "alpha": alpha,
        "level": level,
        "n_medoids": n_medoids,
        "ids": ids,
        "minimum": minimum,
        "kinds": kinds,
        "missing_as_descriptors": missing_as_descriptors,
        "n_permutations": shuffles,
        "random_state": seed,
    }
    return SegmentDescription(found, tests, contrasts, medoids, sizes, _order(variables), settings, (*notes, *said))


def _check(
    min_difference: Any,
    min_relative: Any,
    min_standardised: Any,
    alpha: Any,
    level: Any,
    n_medoids: Any,
    minimum: Any,
    n_permutations: Any,
) -> None:
    def is_number(value: Any) -> bool:
        return isinstance(value, int | float | np.number) and not isinstance(value, bool)

    for name, value in (
        ("min_difference", min_difference),
        ("min_relative", min_relative),
        ("min_standardised", min_standardised),
    ):
        if not is_number(value) or not value > 0:
            raise ValueError(f"{name} must be a number above 0, got {value!r}.")
    for name, value in (("alpha", alpha), ("level", level)):
        if not is_number(value) or not 0 < value < 1:
            raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}.")
    for name, value, least in (("n_medoids", n_medoids, 0), ("minimum", minimum, 1)):
        if not is_number(value) or int(value) != value or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    if n_permutations is not None and (
        not is_number(n_permutations) or int(n_permutations) != n_permutations or n_permutations < 99
    ):
        raise ValueError(f"n_permutations must be a whole number of at least 99, got {n_permutations!r}.")


def _matched(
    table: pd.DataFrame, features: pd.DataFrame, descriptors: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None, list[str]]:
    """Keep the customers of the assignment that have features; those without descriptors lack these values."""
    together = table.index[table.index.isin(features.index)]
    if not len(together):
        raise CustomerTableError(
            f"no customer of features is in the assignment: ids look like {name_some(features.index[:3])} and "
            f"{name_some(table.index[:3])}."
        )
    notes = []
    if len(table) > len(together):
        notes.append(f"{count(len(table) - len(together), 'customer')} of the assignment not in features, left out.")
    if len(features) > len(together):
        notes.append(f"{count(len(features) - len(together), 'customer')} of features not in the assignment, left out.")
    if descriptors is not None:
        there = int(together.isin(descriptors.index).sum())
        if not there:
            raise CustomerTableError(
                f"no customer of descriptors is in the assignment: ids look like {name_some(descriptors.index[:3])} "
                f"and {name_some(together[:3])}."
            )
        if len(descriptors) > there:
            notes.append(f"{count(len(descriptors) - there, 'customer')} of descriptors not described, left out.")
        if len(together) > there:
            notes.append(f"{count(len(together) - there, 'customer')} not in descriptors: their values are missing.")
        descriptors = descriptors.reindex(together)
    return table.loc[together], features.loc[together], descriptors, notes


def _what_to_know(
    variables: Sequence[Variable], found: pd.DataFrame, segments: Sequence[str], size: NDArray[np.int64]
) -> list[str]:
    notes = []
    empty = [segment for segment, n in zip(segments, size[:-1], strict=True) if not n]
    if empty:
        notes.append(f"{count(len(empty), 'segment has', 'segments have')} no customers: {name_some(empty)}.")
    if size[-1]:
        notes.append(f"{count(int(size[-1]), 'unassigned customer')} in the totals and in no segment.")
    lacking = [f"{one.name} {one.n_missing:,}" for one in variables if one.n_missing]
    if lacking:
        notes.append(
            f"missing values of features are left out, feature by feature: {', '.join(lacking[:5])}"
            f"{f', ... ({len(lacking)} features in all)' if len(lacking) > 5 else ''}."
        )
    small = int((found["rule"] & ~found["beyond_chance"]).sum())
    if small:
        which = "1 difference would be a marker" if small == 1 else f"{small:,} differences would be markers"
        notes.append(
            f"{which} by the rule and {'is' if small == 1 else 'are'} not: random segments of these sizes show as much."
        )
    return notes


def _missingness(variables: Sequence[Variable]) -> list[Variable]:
    """Whether a value is missing, as a descriptor of its own."""
    return [
        Variable(f"{one.name} (missing)", "binary", (~one.known).astype(np.float64))
        for one in variables
        if 0 < one.n_missing < len(one.numbers)
    ]


def _n_shuffles(variables: Sequence[Variable], n: int) -> int:
    p = sum(one.kind in ("numeric", "interval") for one in variables)
    return int(np.clip(SHUFFLED_VALUES // max(2 * n * p, 1), FEWEST_SHUFFLES, MOST_SHUFFLES))


def _order(variables: Sequence[Variable]) -> tuple[tuple[str, str], ...]:
    """Order the columns so that those that go together stand together: Ward's clustering of standardised columns.

    The textbook orders profile plots this way, so that markers of one segment form blocks.
    """
    names, columns = [], []
    for variable in variables:
        for level, values in variable.columns():
            names.append((variable.name, level))
            columns.append(values)
    if len(names) < 3:
        return tuple(names)
    from scipy.cluster.hierarchy import leaves_list, linkage

    step = max(1, len(columns[0]) // CLUSTERED_AT_MOST)
    matrix = np.column_stack([column[::step] for column in columns])
    known = ~np.isnan(matrix)
    n = np.maximum(known.sum(axis=0), 1)
    matrix = np.where(known, matrix, 0.0)
    matrix = np.where(known, matrix - matrix.sum(axis=0) / n, 0.0)
    spread = np.sqrt((matrix**2).sum(axis=0))
    matrix = matrix / np.where(spread > 0, spread, 1.0)
    return tuple(names[i] for i in leaves_list(linkage(matrix.T, "ward")))
