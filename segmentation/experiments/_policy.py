"""What a rule of treatment would earn, from a randomized experiment."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from segmentation._format import count, name_some, number
from segmentation._frames import kind_of
from segmentation.assignment import UNASSIGNED
from segmentation.curves._fit import seed_of
from segmentation.experiments._moments import Floats
from segmentation.experiments._policy_input import Codes, Trial, amounts, check_level, finite, read_trial
from segmentation.experiments._policy_result import METHODS, PolicyValue
from segmentation.experiments._policy_rule import check_support, codes_of, learnt_rule, unsupported
from segmentation.experiments._policy_scores import folds_of, predictions, scores_of, value_of
from segmentation.governance._association import holm

__all__ = ["policy_value"]

NOBODY = "nobody"
FEW = 30


def policy_value(
    data: Any,
    policy: Any = None,
    *,
    outcome: str,
    arm: str,
    control: Any,
    segment: str | None = None,
    propensity: Any = None,
    covariates: Sequence[str] | None = None,
    cost: Any = None,
    margin: float = 1.0,
    cluster: str | None = None,
    learn: str | Callable[[pd.DataFrame], Any] | None = None,
    scheme: str = "forward",
    same_data: bool | None = None,
    held_out: str | None = None,
    compare: Mapping[str, Any] | None = None,
    method: str = "aipw",
    level: float = 0.95,
    n_folds: int = 5,
    n_repeats: int = 5,
    name: str = "rule",
    random_state: Any = None,
) -> PolicyValue:
    """Say what a rule of treatment would earn per customer, against treating nobody and treating everybody.

    Parameters
    ----------
    data : dataframe
        One row per customer of a randomized experiment (pandas, polars, pyarrow, ...).
    policy : mapping, arm, Series, array or callable, optional
        Who gets what: segment to arm; one arm for all; an arm per row (a Series by index, an array by position); or a
        function of the rows (as pandas) that returns their arms. Leave it out with `learn`.
    outcome, arm : str
        Columns: what came of each customer, and what chance gave.
    control : label
        The arm of not treating.
    segment : str, optional
        Column. Customers without a segment are called "unassigned", and a rule by segments must say what they get.
    propensity : mapping, str or "segment", optional
        The planned probability of each arm (or segment to such a mapping), or the column with the probability of the
        arm that each customer got. "segment", and the default with a warning: the shares of the rows in each segment.
    covariates : sequence of str, optional
        Columns known before the experiment: the outcome models of the doubly robust estimate are then linear in them.
    cost : number or mapping, optional
        What treating one customer costs: of every arm but control, or by arm (not named: 0).
    margin : float, default=1.0
        Money per unit of outcome.
    cluster : str, optional
        Column of what was randomized or moves together; errors then allow for any dependence within.
    learn : "pooled" or callable, optional
        In place of `policy`: learn the rule from some of the customers and value it on others. "pooled": in each
        segment the arm with the largest partially pooled effect after cost, if one is above 0. A callable gets rows
        (as pandas) and returns a policy in any form above.
    scheme : {"forward", "cross-fit"}, default="forward"
        With `learn`: a part is valued by the rule that the parts before it taught, or all other parts. Both values are
        unbiased for the rules that were valued; the second ones learn from more, but where the arms earn the same
        their parts err together and the interval is too short (see Notes).
    same_data : bool, optional
        Whether the policy was made from these rows. True is refused: its value would be too good. False says that it
        was not; by default the warnings say that this is taken for granted.
    held_out : str, optional
        Column that is true for customers the policy was not made from; only they are valued.
    compare : mapping, optional
        Further policies by name to compare with, besides treating nobody and treating all with each arm.
    method : {"aipw", "hajek", "ipw"}, default="aipw"
        The estimate shown first; ``estimates`` has all three.
    level : float, default=0.95
    n_folds : int, default=5
        Parts of the customers, for outcome models and for `learn`.
    n_repeats : int, default=5
        With `learn`: times that the parts are made anew. Values are averaged, and so are their errors, which is rather
        too wide than too narrow.
    name : str, default="rule"
        How results call the policy.
    random_state : int, numpy Generator or RandomState, optional
        Parts of the customers.

    Returns
    -------
    PolicyValue

    Raises
    ------
    ColumnError, CustomerTableError, TypeError, ValueError
        If columns are missing or no numbers, a segment has no arm or one that nobody in it got, the policy was made
        from the same rows, or options contradict.

    Notes
    -----
    With A the arm, e its probability and p the policy: "ipw" is the mean of 1{A = p} Y / e (Horvitz and Thompson 1952,
    doi:10.1080/01621459.1952.10483446); "hajek" divides it by the mean of 1{A = p} / e; "aipw" is the mean of
    m(p) + 1{A = p} (Y - m(A)) / e with outcome models m made on other customers, which changes the error and not what
    is estimated [1]_: means by segment and arm, or with covariates a regression in each arm. Standard errors come from
    influence values, in which costs and estimated shares count, and differences are paired: they are those of the
    differences of influence values. The interval is Student's, with customers (or clusters) less one.

    Rules that are chosen on the data they are valued on look better than they are, the more so the more segments mean
    nothing. With `learn` each customer is valued by a rule that was learnt without this customer. In forward order
    errors add up as those of independent customers even where no arm is better [2]_; the first part is only learnt
    from.

    References
    ----------
    .. [1] Dudík, M., Erhan, D., Langford, J., Li, L. (2014). Doubly robust policy evaluation and optimization.
       Statistical Science 29. doi:10.1214/14-STS500
    .. [2] Luedtke, A. R., van der Laan, M. J. (2016). Statistical inference for the mean outcome under a possibly
       non-unique optimal treatment strategy. Annals of Statistics 44. doi:10.1214/15-AOS1384

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from segmentation.experiments import policy_value
    >>> rng = np.random.default_rng(1)
    >>> rows = pd.DataFrame({"tier": rng.choice(["gold", "basic"], 4000), "arm": rng.choice(["mail", "none"], 4000)})
    >>> rows["spend"] = rng.normal(20, 5, 4000) + 3.0 * ((rows["tier"] == "gold") & (rows["arm"] == "mail"))
    >>> found = policy_value(rows, {"gold": "mail", "basic": "none"}, outcome="spend", arm="arm", control="none",
    ...                      segment="tier", propensity={"mail": 0.5, "none": 0.5}, cost=1.0, same_data=False,
    ...                      random_state=0)
    >>> found.differences["difference"].round(1).to_dict()
    {'nobody': 1.0, 'all mail': 0.5}
    """
    _check(policy, learn, scheme, same_data, held_out, method, level, n_folds, n_repeats)
    trial = read_trial(
        data, outcome=outcome, arm=arm, control=control, segment=segment, propensity=propensity,
        covariates=covariates, cluster=cluster, margin=finite(margin, "margin"), held_out=held_out,
    )  # fmt: skip
    spend = amounts(cost, trial.arms, "cost")
    if compare is not None and not isinstance(compare, Mapping):
        raise TypeError(f"compare must map names to policies, got {kind_of(compare)}.")
    notes: list[str] = []
    if trial.n_clusters < 2 * n_folds:
        raise ValueError(
            f"{count(trial.n_clusters, 'customer' if cluster is None else 'cluster')} are too few for {n_folds} parts "
            f"(n_folds); at least {2 * n_folds}."
        )
    simple = {NOBODY: np.zeros(trial.n, dtype=np.int64)}
    simple |= {f"all {one}": np.full(trial.n, a, dtype=np.int64) for a, one in enumerate(trial.arms) if a}
    untried = [label for label, codes in simple.items() if label != NOBODY and unsupported(codes, trial)]
    for label in untried:
        del simple[label]
    if name in simple or name in untried:
        raise ValueError(f"name= calls the policy {name!r}, which is taken by a simple one; choose another name.")
    check_support(simple[NOBODY], trial, "treating nobody")
    for label, other in (compare or {}).items():
        if label in simple or label == name:
            raise ValueError(f"compare= calls a policy {label!r}, which is taken; choose another name.")
        simple[label] = codes_of(other, trial, notes, f"policy {label!r}")
        check_support(simple[label], trial, f"policy {label!r}")
    seed = seed_of(random_state)
    rng = np.random.default_rng(seed)
    uncorrected = None
    if learn is None:
        rule = codes_of(policy, trial, notes)
        check_support(rule, trial)
        model = predictions(trial, folds_of(trial, n_folds, rng), n_folds)
        study = _assess(trial, rule, simple, model, spend)
        shown = rule
    else:
        study, uncorrected, shown = _learnt(trial, learn, scheme, simple, spend, n_folds, n_repeats, rng)
    return _result(
        trial, study, shown, simple, spend, name, method, level, uncorrected,
        settings={
            "learn": None if learn is None else learn if isinstance(learn, str) else "callable", "scheme": scheme,
            "n_folds": n_folds, "n_repeats": n_repeats if learn is not None else 1, "random_state": seed,
            "same_data": same_data, "untried": untried,
        },
        notes=tuple(notes),
    )  # fmt: skip


class _Study:
    """Values and standard errors of everything that is compared, by method; by segment for the doubly robust."""

    def __init__(self, values: dict[str, Floats], errors: dict[str, Floats], segments: Floats, se: Floats) -> None:
        self.figures, self.errors, self.segments, self.segment_errors = values, errors, segments, se


def _assess(trial: Trial, rule: Codes, simple: dict[str, Codes], model: Floats, cost: Floats) -> _Study:
    """Value the rule and the simple policies, and the differences, on one trial."""
    values, errors = {}, {}
    for method in METHODS:
        own = value_of(trial, rule, cost, model, method)
        others = [value_of(trial, codes, cost, model, method) for codes in simple.values()]
        every = [own.value, *(o.value for o in others), *(own.value - o.value for o in others)]
        spread = [own.influence, *(o.influence for o in others), *(own.influence - o.influence for o in others)]
        values[method] = np.array(every)
        errors[method] = np.array([float(trial.error(one)) for one in spread])
    nobody = simple[NOBODY]
    gain = scores_of(trial, rule, model) - scores_of(trial, nobody, model) - (cost[rule] - cost[nobody])
    size = np.bincount(trial.segment, minlength=len(trial.segments)).astype(float)
    change, se = np.full(len(size), np.nan), np.full(len(size), np.nan)
    for i in np.flatnonzero(size):
        mine = trial.segment == i
        change[i] = float(gain[mine].mean())
        groups = np.bincount(np.unique(trial.cluster[mine], return_inverse=True)[1], gain[mine] - change[i])
        if len(groups) > 1:  # one customer (or cluster) says nothing of the error
            se[i] = float(np.sqrt(len(groups) / (len(groups) - 1) * (groups**2).sum())) / size[i]
    return _Study(values, errors, change, se)


def _learnt(
    trial: Trial, learn: Any, scheme: str, simple: dict[str, Codes], cost: Floats, n_folds: int, n_repeats: int,
    rng: np.random.Generator,
) -> tuple[_Study, dict[str, float], Codes]:  # fmt: skip
    """Learn on some parts and value on others, several times; also the value on the rows that teach."""
    forward = scheme == "forward"
    found = []
    for _ in range(n_repeats):
        fold = folds_of(trial, n_folds, rng)
        rule = np.zeros(trial.n, dtype=np.int64)
        for k in range(1 if forward else 0, n_folds):
            teach, held = (fold < k if forward else fold != k), fold == k
            rule[held] = learnt_rule(learn, trial, teach, cost)[held]
        model = predictions(trial, fold, n_folds, before=forward)
        valued: NDArray[np.bool_] = fold > 0 if forward else np.ones(trial.n, dtype=bool)
        part = trial.part(valued)
        others = {label: codes[valued] for label, codes in simple.items()}
        found.append(_assess(part, rule[valued], others, model[valued], cost))
    study = _Study(
        {m: np.mean([one.figures[m] for one in found], axis=0) for m in METHODS},
        {m: np.mean([one.errors[m] for one in found], axis=0) for m in METHODS},
        _mean_of_known([one.segments for one in found]),
        _mean_of_known([one.segment_errors for one in found]),
    )
    whole = learnt_rule(learn, trial, np.ones(trial.n, dtype=bool), cost)
    check_support(whole, trial, "the rule learnt")
    model = predictions(trial, fold, n_folds)
    naive = {m: value_of(trial, whole, cost, model, m).value for m in METHODS}
    nobody = {m: value_of(trial, simple[NOBODY], cost, model, m).value for m in METHODS}
    return study, {m: naive[m] - nobody[m] for m in METHODS}, whole


def _mean_of_known(parts: list[Floats]) -> Floats:
    """Average over repeats; a small segment can be missing in some of them."""
    table = np.array(parts)
    known = np.isfinite(table).sum(axis=0)
    return np.where(known > 0, np.nansum(table, axis=0) / np.maximum(known, 1), np.nan)


def _result(
    trial: Trial, study: _Study, rule: Codes, simple: dict[str, Codes], cost: Floats, name: str, method: str,
    level: float, uncorrected: dict[str, float] | None, settings: dict[str, Any],
    notes: tuple[str, ...],
) -> PolicyValue:  # fmt: skip
    reach = float(stats.t.ppf(0.5 + level / 2, trial.n_clusters - 1))
    others = list(simple)
    labels = [name, *others, *(f"{name} - {other}" for other in others)]
    kinds = ["value"] * (1 + len(others)) + ["difference"] * len(others)
    tables = []
    for one in METHODS:
        value, se = study.figures[one], study.errors[one]
        tables.append(
            pd.DataFrame({
                "method": one, "kind": kinds, "policy": labels, "value": value, "low": value - reach * se,
                "high": value + reach * se, "se": se,
            })
        )  # fmt: skip
    estimates = pd.concat(tables, ignore_index=True)
    chosen = estimates[estimates["method"] == method].drop(columns=["method", "kind"])
    table = chosen.iloc[: 1 + len(others)].set_index("policy")
    treated = [rule, *simple.values()]
    table["share_treated"] = [float((codes > 0).mean()) for codes in treated]
    table["cost"] = [float(cost[codes].mean()) for codes in treated]
    differences = chosen.iloc[1 + len(others) :].assign(against=others).drop(columns="policy")
    differences = differences.set_index("against").rename(columns={"value": "difference"})
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.abs(differences["difference"].to_numpy(dtype=float) / differences["se"].to_numpy(dtype=float))
    # a rule that is the same as what it is compared with differs by exactly 0
    p = np.where(differences["se"].to_numpy() > 0, 2 * stats.t.sf(t, trial.n_clusters - 1), 1.0)
    differences["p_value"], differences["p_adjusted"] = p, holm(p)
    n_arms = len(trial.arms)
    cells = np.bincount(trial.segment * n_arms + rule, minlength=len(trial.segments) * n_arms).reshape(-1, n_arms)
    size = cells.sum(axis=1)
    gets = [trial.arms[int(row.argmax())] if (row > 0).sum() == 1 else "several" for row in cells]
    within = trial.clusters_within()
    far = stats.t.ppf(0.5 + level / 2, np.maximum(within - 1, 1)) * study.segment_errors
    by_segment = pd.DataFrame(
        {
            "n_customers": size, "arm": gets, "share_treated": 1 - cells[:, 0] / np.maximum(size, 1),
            "change": study.segments, "change_low": study.segments - far, "change_high": study.segments + far,
        },
        index=pd.Index(trial.segments, name="segment"),
    )  # fmt: skip
    resolved = trial.settings | settings | {
        "cost": dict(zip(trial.arms, cost.tolist(), strict=True)), "method": method, "level": level, "name": name,
    }  # fmt: skip
    if uncorrected is not None:
        resolved["uncorrected"] = uncorrected[method]
    notes = (*_notes(trial, cells, table, differences, resolved), *notes)
    return PolicyValue(table, differences, by_segment, estimates, resolved, notes)


def _notes(
    trial: Trial, cells: NDArray[Any], table: pd.DataFrame, differences: pd.DataFrame, settings: dict[str, Any]
) -> tuple[str, ...]:
    notes = list(trial.warnings)
    if settings["learn"] is None:
        varied = int((cells.sum(axis=0) > 0).sum()) > 1
        if settings["same_data"] is None and settings["held_out"] is None and varied:
            notes.append(
                "That the rule was not made from these rows is taken from you: a rule chosen on the rows that value it "
                "looks better than it is (learn= learns and values on different customers)."
            )
    else:
        first = differences["difference"].iloc[0]
        notes.append(
            f"The rule of all rows ({number(table['share_treated'].iloc[0] * 100)} % treated), valued on the rows it "
            f"was learnt from, would look {number(settings['uncorrected'])} better than treating nobody; learnt and "
            f"valued on different customers it is {number(first)} better."
        )
        if settings["scheme"] == "cross-fit":
            notes.append(
                "Learnt on all other parts: where the arms earn about the same, the interval is too short "
                '(scheme="forward").'
            )
    n_arms = len(trial.arms)
    got = np.bincount(trial.segment * n_arms + trial.arm, minlength=cells.size).reshape(-1, n_arms)
    few = [f"{trial.segments[i]}: {trial.arms[a]}" for i, a in zip(*np.nonzero((cells > 0) & (got < FEW)), strict=True)]
    if few:
        notes.append(f"Under {FEW} customers got what the rule says in {name_some(few)}: its value there is a guess.")
    if settings["untried"]:
        notes.append(f"Not compared with {name_some(settings['untried'])}: some segment has nobody who got that arm.")
    if UNASSIGNED in trial.segments:
        n = int((trial.segment == trial.segments.index(UNASSIGNED)).sum())
        notes.append(f"{count(n, 'customer')} in no segment count as 'unassigned'.")
    return tuple(notes)


def _check(
    policy: Any, learn: Any, scheme: str, same_data: bool | None, held_out: str | None, method: str, level: Any,
    n_folds: Any, n_repeats: Any,
) -> None:  # fmt: skip
    if (policy is None) == (learn is None):
        raise ValueError(
            "give a policy, or learn= to have one learnt and valued on different customers; got "
            + ("neither." if policy is None else "both.")
        )
    if learn is not None and not callable(learn) and learn != "pooled":
        raise ValueError(f'learn must be "pooled" or a function of rows that returns a policy, got {learn!r}.')
    for what, value, known in (("scheme", scheme, ("forward", "cross-fit")), ("method", method, METHODS)):
        if value not in known:
            raise ValueError(f"{what} must be one of {name_some(known)}, got {value!r}.")
    if same_data and learn is None and held_out is None:
        raise ValueError(
            "a policy made from these rows looks better on them than it is. Use learn=, which learns and values on "
            "different customers, or name in held_out= the column that is true for customers it was not made from."
        )
    check_level(level)
    for what, value, least in (("n_folds", n_folds, 2), ("n_repeats", n_repeats, 1)):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
            raise ValueError(f"{what} must be a whole number of at least {least}, got {value!r}.")
