"""Response curves of several efforts that share one series of outcomes."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from segmentation._format import name_some, number, percent
from segmentation.curves._base import ResponseCurve
from segmentation.curves._curve import FAMILIES
from segmentation.curves._fit import check_options, seed_of
from segmentation.curves._joint_forms import Candidates, Expectation, form_for
from segmentation.curves._joint_input import (
    BASELINE,
    Periods,
    by_name,
    check_carry_over,
    check_families,
    expected_shares,
    read_periods,
    refuse_too_many,
)
from segmentation.curves._joint_result import CurveFits
from segmentation.curves._joint_sample import Sample, Series, draw_curves, largest_ratio
from segmentation.curves._profile import RETENTION, Form

__all__ = ["fit_response_curves"]

Array = NDArray[np.float64]
# What is expected of efforts that work: of one, of all of them together.
SHARE_OF_ONE, SHARE_OF_ALL = 0.2, 0.5
# Efforts of which others explain 90 % are hard to see by themselves.
MUCH_EXPLAINED = 10.0
# Shares that move against each other like this from draw to draw cannot be told apart.
AGAINST = -0.4
# An interval of this share of the width expected before the data says little that the data told.
MOSTLY_EXPECTED = 0.6
DISAGREE = 1.1
EXPECTED_DRAWS = 20_000


def fit_response_curves(
    efforts: Any,
    outcome: ArrayLike,
    *,
    family: Any = "exponential",
    randomized: bool | None = None,
    period: Any = None,
    carry_over: Any = None,
    controls: ArrayLike | None = None,
    trend: bool = False,
    season: float | None = None,
    expected_share: Any = None,
    works: float = 0.9,
    level: float = 0.9,
    n_draws: int = 1000,
    random_state: Any = None,
) -> CurveFits:
    """Fit what several efforts bring to one series of outcomes, all at once.

    The mean outcome is a baseline (constant, trend, season, controls) and the sum of one curve per effort: none falls,
    and where no outcome is negative they bring no more together than there is. What one effort is credited with, the
    others are not: fitted one by one, several can claim the same sales.

    Draws are from the joint distribution of all curves given the data, so they are kept together by `allocate`: their
    shares and that of the baseline add up to the whole outcome in every draw. Errors are normal, and a part of each
    (estimated) lasts into the next period.

    Parameters
    ----------
    efforts : dataframe of shape (n_periods, n_efforts), or mapping of names to columns
        One named column per effort, 0 or more, one row per period.
    outcome : array-like of shape (n_periods,)
    family : str or mapping of effort to str, default="exponential"
        "exponential", "log", "power", "linear" or "hill"; of efforts that a mapping leaves out, exponential.
    randomized : bool, optional
        Whether chance decided how much went where and when. Unless True, a warning stands beside every result.
    period : array-like of shape (n_periods,), optional
        When (sortable). Without it rows are periods in their order.
    carry_over : {None, "geometric"}, float, or mapping of effort to these, default=None
        Effort still works in later periods, as in `fit_response_curve`: the curve is one of the running mean
        ``(1 - r) * effort + r * mean before``, so that its `effort` is what is spent each period for good.
    controls : array-like of shape (n_periods, n_controls), optional
        What else moves the outcome (prices, holidays), held equal linearly.
    trend : bool, default=False
        Hold a straight line over time equal.
    season : float, optional
        Periods per cycle, such as 52.18 weeks: two waves of it are held equal.
    expected_share : float or mapping of effort to float, optional
        What an effort that works is expected to bring, as a share of the outcome: the mean of an exponential prior. By
        default 0.2, of three efforts or more 0.5 over their number.
    works : float, default=0.9
        The chance, before the data, that an effort brings anything at all. Much less than the default makes intervals
        of weak efforts too short: with 0.5 those whose effect is one to two standard errors are held in 60 to 80 %.
    level : float, default=0.9
        Of the intervals.
    n_draws : int, default=1000
    random_state : int, numpy Generator or RandomState, optional

    Returns
    -------
    CurveFits
        ``curves`` (for `allocate`), ``table`` (shares of the outcome), ``shares`` (their draws), ``parameters``,
        ``decomposition``, ``warnings``, ``settings``, ``plot()``.

    Raises
    ------
    ValueError
        Efforts below 0, NaN, names that repeat, several rows of one period.
    FitError
        An effort that does not vary, moves exactly with another or is explained by controls; more figures to fit than
        periods.

    Notes
    -----
    Ten efforts that rise and fall together in two hundred weeks do not say by themselves what each of them brings.
    What they leave open is filled by stated expectations: an effort works with chance `works`; if so, its share has an
    exponential prior; half of its rise lies about its median effort (log-normal, within a factor of 7 in 95 of 100
    cases), within the range that `fit_response_curve` searches; every retention and persistence of errors is as likely
    as any other. The warnings name the efforts whose interval is mostly expectation, and those that cannot be told
    apart. The estimate is the mean over draws: shares add up, and the curve is the one of its family nearest to the
    mean of the drawn curves.

    Media mix models rest on the same sum of saturating curves [1]_, with priors on the share or return of each [2]_.
    Whether an effort works at all is drawn as in the selection of variables [3]_.

    References
    ----------
    .. [1] Jin, Y. et al. (2017). Bayesian methods for media mix modeling with carryover and shape effects. Google.
    .. [2] Zhang, Y. et al. (2023). Media mix model calibration with Bayesian priors. Google.
    .. [3] George, E. I., McCulloch, R. E. (1993). Variable selection via Gibbs sampling. Journal of the American
       Statistical Association 88. doi:10.1080/01621459.1993.10476353

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> spent = pd.DataFrame(rng.gamma(2.0, 1.0, (150, 3)), columns=["radio", "mail", "posters"])
    >>> sales = 60 + 30 * (1 - np.exp(-0.8 * spent["radio"])) + 5 * spent["mail"] + rng.normal(0, 4, 150)
    >>> fit = fit_response_curves(spent, sales, randomized=True, random_state=0)
    >>> fit.table["share"].round(2).to_dict()  # posters bring nothing
    {'baseline': 0.61, 'radio': 0.26, 'mail': 0.11, 'posters': 0.02}
    >>> bool(np.allclose(fit.shares.sum(axis=1), 1.0))
    True
    """
    check_options(level, n_draws, randomized)
    if isinstance(works, bool) or not isinstance(works, numbers.Real) or not 0 < float(works) <= 1:
        raise ValueError(f"works must be a chance above 0, at most 1, got {works!r}.")
    seed = seed_of(random_state)
    rng = np.random.default_rng(seed)
    periods = read_periods(efforts, outcome, period=period, controls=controls, trend=trend, season=season)
    names = periods.names
    families = check_families(family, names)
    carry = [
        check_carry_over(c, name) for c, name in zip(by_name(carry_over, names, "carry_over", None), names, strict=True)
    ]
    share = expected_shares(expected_share, names, min(SHARE_OF_ONE, SHARE_OF_ALL / len(names)))
    whole = [
        Candidates.of(form_for(f, x, c), x, Expectation(s, float(works), float(np.median(x[x > 0]))))
        for f, x, c, s in zip(families, periods.efforts.T, carry, share, strict=True)
    ]
    n_curves = sum(1 + len(c.form.free) for c in whole)
    notes = refuse_too_many(len(periods.outcome), periods.held.shape[1], n_curves, len(names))
    size = float(np.abs(periods.outcome).mean())
    bound = float(periods.outcome.mean() / size) if periods.outcome.min() >= 0 else math.inf
    series = Series(periods.outcome / size, periods.held, bound)
    sample, fine = draw_curves(series, whole, int(n_draws), rng)
    drawn = _Drawn(sample, whole, fine, int(n_draws), size, rng)

    shares = pd.DataFrame(drawn.share * size / periods.outcome.mean(), columns=list(names))
    shares.insert(0, BASELINE, 1.0 - shares.sum(axis=1))
    found = _identification(periods, shares, level, [c.expected for c in whole])
    told, own = _warnings(periods, whole, families, shares, found, sample, level)
    randomized = None if randomized is None else bool(randomized)
    curves: dict[Any, ResponseCurve] = {}
    for j, name in enumerate(names):
        curves[name] = drawn.curve(j, level, randomized, (*own[name], *notes))
    caveats = list(dict.fromkeys(text for curve in curves.values() for text in curve.caveats[: 0 if randomized else 1]))
    return CurveFits(
        curves=curves,
        shares=shares,
        draws=drawn.table(names),
        identification=found,
        decomposition=_decomposition(periods, drawn, fine),
        mean_outcome=float(periods.outcome.mean()),
        efforts=pd.DataFrame(
            {"mean": periods.efforts.mean(axis=0), "highest": periods.efforts.max(axis=0)},
            index=pd.Index(names, name="effort"),
        ),
        settings={
            "family": dict(zip(names, (c.form.family for c in whole), strict=True)),
            "randomized": randomized,
            "carry_over": dict(zip(names, carry, strict=True)),
            "trend": bool(trend),
            "season": season,
            "n_controls": periods.held.shape[1] - 1,
            "expected_share": dict(zip(names, share, strict=True)),
            "works": float(works),
            "expected_together": _expected_together(share, float(works), level, bound < math.inf),
            "level": level,
            "n_draws": int(n_draws),
            "random_state": seed,
            "n_periods": len(periods.outcome),
            "n_figures": periods.held.shape[1] + n_curves,
            "persistence": float(sample.persistence.mean()),
            "spread": float(sample.spread.mean() * size),
            "chain_ratio": largest_ratio(sample),
            "condition": float(found.attrs["condition"]),
            "searched": {n: {p: list(b) for p, b in c.form.bounds.items()} for n, c in zip(names, whole, strict=True)},
        },
        warnings=tuple(dict.fromkeys([*caveats, *told, *notes, *periods.notes])),
    )


class _Drawn:
    """The draws of all curves, in the units of the caller."""

    def __init__(
        self,
        sample: Sample,
        whole: Sequence[Candidates],
        fine: Sequence[Candidates],
        n_draws: int,
        size: float,
        rng: np.random.Generator,
    ) -> None:
        def flat(values: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(values.swapaxes(0, 1).reshape(-1, values.shape[-1])[:n_draws])

        self.forms = [c.form for c in whole]
        self.efforts = [c.effort for c in whole]
        self.scale, self.share, self.number = flat(sample.scale) * size, flat(sample.share), flat(sample.point)
        self.points = []
        for j, (all_of, these) in enumerate(zip(whole, fine, strict=True)):
            # of a curve that is not there anything may be true: what was expected
            points = all_of.prior_points(len(self.scale), rng)
            here = self.number[:, j] >= 0
            points[here] = these.points[self.number[here, j]]
            self.points.append(points)

    def curve(self, j: int, level: float, randomized: bool | None, notes: tuple[str, ...]) -> ResponseCurve:
        """Return the curve of effort j: the one of its family nearest to the mean of those drawn."""
        form = self.forms[j]
        inner = [i for i, name in enumerate(form.bounds) if name != RETENTION]
        draws = np.column_stack([self.scale[:, j], self.points[j][:, inner]])
        point = _nearest(form, self.efforts[j], self.scale[:, j], self.points[j], level)
        return FAMILIES[form.family](*point.tolist(), draws=draws, randomized=randomized, notes=notes)

    def table(self, names: Sequence[Any]) -> pd.DataFrame:
        columns: dict[tuple[Any, str], Array] = {}
        for j, name in enumerate(names):
            columns[name, FAMILIES[self.forms[j].family].parameter_names[0]] = self.scale[:, j]
            columns.update({(name, p): self.points[j][:, i] for i, p in enumerate(self.forms[j].bounds)})
        table = pd.DataFrame(dict(enumerate(columns.values())))
        table.columns = pd.MultiIndex.from_tuples(list(columns), names=["effort", "parameter"])
        return table


def _nearest(form: Form, effort: Array, scale: Array, points: Array, level: float) -> Array:
    """Return scale and parameters of the curve that is nearest to the mean of the drawn ones over the efforts seen."""
    inner = [i for i, name in enumerate(form.bounds) if name != RETENTION]
    names = [list(form.bounds)[i] for i in inner]
    works = scale > 0
    middle = np.exp(np.median(np.log(points[:, inner]), axis=0))
    if works.mean() <= (1 - level) / 2:  # the interval is 0 to 0
        return np.array([0.0, *middle])
    at = np.unique(np.r_[np.linspace(0.0, effort.max(), 30), np.quantile(effort, np.linspace(0.02, 0.98, 30))])
    family = FAMILIES[form.family]
    mean = family._value(np.column_stack([scale, points[:, inner]])[:, None, :], at).mean(axis=0)

    def fitted(inner_points: Array) -> tuple[Array, Array]:
        shapes = family._value(np.column_stack([np.ones(len(inner_points)), inner_points])[:, None, :], at)
        best = np.maximum(shapes @ mean / np.maximum((shapes**2).sum(axis=1), 1e-300), 0.0)
        return best, ((best[:, None] * shapes - mean) ** 2).sum(axis=1)

    tried = np.unique(points[works][:, inner], axis=0)
    start = tried[int(np.argmin(fitted(tried)[1]))]
    free = [i for i, name in enumerate(names) if name in form.free]
    if free:
        ends = np.log([form.bounds[names[i]] for i in free])

        def loss(logs: Array) -> float:
            point = start.copy()
            point[free] = np.exp(np.clip(logs, ends[:, 0], ends[:, 1]))
            return float(fitted(point[None, :])[1][0])

        found = optimize.minimize(loss, np.log(start[free]), method="Nelder-Mead", options={"maxfev": 200})
        start = start.copy()
        start[free] = np.exp(np.clip(found.x, ends[:, 0], ends[:, 1]))
    return np.array([fitted(start[None, :])[0][0], *start])


def _identification(
    periods: Periods, shares: pd.DataFrame, level: float, expected: Sequence[Expectation]
) -> pd.DataFrame:
    """Return what tells efforts apart: by the data before any fit, and by how draws move against each other."""
    names, held = periods.names, periods.held
    centred = periods.efforts - periods.efforts.mean(axis=0)
    left = centred - held @ np.linalg.lstsq(held, centred, rcond=None)[0]
    size = np.sqrt((left**2).sum(axis=0))
    alike = (left / size).T @ (left / size)
    # what controls explain of an effort counts as well
    inflation = np.diag(np.linalg.inv(alike)) * (centred**2).sum(axis=0) / size**2
    drawn = shares[list(names)].to_numpy()
    spread = drawn.std(axis=0)
    rows = []
    against = np.corrcoef(drawn, rowvar=False) if len(names) > 1 and (spread > 0).all() else np.zeros((len(names),) * 2)
    against = np.atleast_2d(against)
    for j, name in enumerate(names):
        others = [k for k in range(len(names)) if k != j]
        near = max(others, key=lambda k: abs(alike[j, k])) if others else None
        rival = min(others, key=lambda k: against[j, k]) if others else None
        low, high = np.quantile(drawn[:, j], [(1 - level) / 2, (1 + level) / 2])
        rows.append(
            (
                name,
                inflation[j],
                None if near is None else names[near],
                math.nan if near is None else alike[j, near],
                None if rival is None else names[rival],
                math.nan if rival is None else against[j, rival],
                (high - low) / _expected_width(expected[j], level),
            )
        )
    columns = ["effort", "vif", "most_alike", "correlation", "rival", "draw_correlation", "width_left"]
    table = pd.DataFrame(rows, columns=columns).set_index("effort")
    values = np.linalg.eigvalsh(alike)
    table.attrs["condition"] = math.sqrt(values[-1] / max(values[0], 1e-300))
    return table


def _expected_width(expected: Expectation, level: float) -> float:
    """Return the width of the interval of the share before the data."""
    chances = np.array([(1 + level) / 2, (1 - level) / 2])  # of being above
    chances = np.minimum(chances / expected.works, 1.0)
    low, high = -expected.share * np.log(chances)
    return float(high - low)


def _expected_together(share: Sequence[float], works: float, level: float, bounded: bool) -> tuple[float, float]:
    """Return the interval of the share of all efforts before the data, by simulation."""
    rng = np.random.default_rng(0)
    shape = (EXPECTED_DRAWS, len(share))
    drawn = (rng.standard_exponential(shape) * np.array(share) * (rng.random(shape) < works)).sum(axis=1)
    if bounded and (drawn <= 1).any():
        drawn = drawn[drawn <= 1]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _warnings(
    periods: Periods,
    whole: Sequence[Candidates],
    families: Sequence[str],
    shares: pd.DataFrame,
    found: pd.DataFrame,
    sample: Sample,
    level: float,
) -> tuple[list[str], dict[Any, list[str]]]:
    """Return what stands beside the whole, and beside the curve of each effort."""
    names = periods.names
    own: dict[Any, list[str]] = {name: [] for name in names}
    told: list[str] = []

    def say(those: Sequence[Any], one: str, all_of_them: str) -> None:
        if those:
            told.append(all_of_them.format(names=name_some(those, 8)))
            for name in those:
                own[name].append(one)

    told.append("What is expected of each effort before the data (expected_share, works) is part of the intervals.")
    low, high = np.quantile(1.0 - shares[BASELINE], [(1 - level) / 2, (1 + level) / 2])
    before = _expected_together(
        [c.expected.share for c in whole], whole[0].expected.works, level, periods.outcome.min() >= 0
    )
    if high - low >= MOSTLY_EXPECTED * (before[1] - before[0]):
        told.append(
            f"Of all efforts together {percent(before[0])} to {percent(before[1])} of the outcome was expected before "
            "the data, which take little from that."
        )
    straight = [n for n, c, f in zip(names, whole, families, strict=True) if c.form.family != f]
    say(
        straight,
        "The effort takes two values: a straight line stands here.",
        "Efforts of two values, which give one slope and no curvature, have a straight line: {names}.",
    )
    mostly = [n for n in names if found.loc[n, "width_left"] >= MOSTLY_EXPECTED]
    say(
        mostly,
        "The data say little of this effort: its interval is mostly what was expected before them.",
        "The data say little of these efforts, their intervals are mostly what was expected before them: {names}.",
    )
    pairs = sorted(
        {
            tuple(sorted((names.index(n), names.index(row["rival"]))))
            for n, row in found.iterrows()
            if row["draw_correlation"] <= AGAINST
        }
    )
    if pairs:
        listed = ", ".join(f"{names[i]!r} and {names[j]!r}" for i, j in pairs[:5])
        more = f", ... ({len(pairs)} in all)" if len(pairs) > 5 else ""
        told.append(f"Not told apart, what one gets the other loses from draw to draw: {listed}{more}.")
        for name in dict.fromkeys(names[i] for pair in pairs for i in pair):
            own[name].append("What this effort brings is not told apart from what another one brings.")
    say(
        [n for n in names if found.loc[n, "vif"] > MUCH_EXPLAINED],
        "Other efforts and controls explain more than 90 % of the variation of this effort.",
        "Other efforts and controls explain more than 90 % of the variation of: {names}.",
    )
    say(
        [n for n, x in zip(names, periods.efforts.T, strict=True) if x.min() > 0],
        "No period is without this effort: what all of it brings is extrapolated by the form of the curve.",
        "No period is without these efforts, so what all of each brings is extrapolated by the form of its curve: "
        "{names}.",
    )
    everything = float((shares[BASELINE] <= 0.01).mean())
    if periods.outcome.min() >= 0 and everything >= 0.02:
        told.append(
            f"In {percent(everything)} of the draws the efforts bring the whole outcome, and only that they cannot "
            "bring more bounds them: the data do not."
        )
    lasting = float(sample.persistence.mean())
    if lasting > 0.75:
        told.append(
            f"Errors last ({number(lasting)} of each is left one period later): a trend or season may be missing."
        )
    ratio = largest_ratio(sample)
    if ratio > DISAGREE:
        told.append(f"Chains of draws do not agree (ratio {number(ratio)}): give fewer efforts, or more draws.")
    return told, own


def _decomposition(periods: Periods, drawn: _Drawn, fine: Sequence[Candidates]) -> pd.DataFrame:
    """Return each period's outcome, baseline, what efforts bring (means over draws), and what is left."""
    n = len(drawn.scale)
    brought = np.zeros_like(periods.efforts)
    for j, these in enumerate(fine):
        works = drawn.number[:, j] >= 0
        weight = np.bincount(drawn.number[works, j], drawn.scale[works, j], len(these.mean)) / n
        brought[:, j] = these.columns @ weight
    rest = periods.outcome - brought.sum(axis=1)
    baseline = periods.held @ np.linalg.lstsq(periods.held, rest, rcond=None)[0]
    table = pd.DataFrame(brought, columns=list(periods.names), index=periods.labels)
    table.insert(0, BASELINE, baseline)
    table.insert(0, "outcome", periods.outcome)
    table["left"] = rest - baseline
    return table
