"""Checks of a segmentation for the people in it: can they be reached and found, are they private, is it a proxy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import name_some, percent
from segmentation.assignment import UNASSIGNED
from segmentation.evaluation._review_base import (
    FEWEST,
    ReviewCheck,
    Status,
    customers_of,
    not_checked,
    sentence,
    span,
    worst,
)
from segmentation.exceptions import ColumnError
from segmentation.governance import k_anonymity, proxy_audit

__all__ = ["accessible", "not_a_proxy", "private"]

MOST_REACHABLE, FEW_REACHABLE = 0.5, 0.2
ACCEPTABLE_AUC = 0.7
# One-sided 95 % bound, corrected for the number of segments by Bonferroni.
CHANCE = 0.05
N_FOLDS = 5
EXPOSED = 0.05
PROXY_V = 0.3
# Levels of a text column that are told apart; further ones are one.
LEVELS_AT_MOST = 100


def accessible(
    table: pd.DataFrame, segments: pd.DataFrame, reachable: Any, descriptors: Any, random_state: Any
) -> ReviewCheck:
    """Ask whether members can be contacted, and found by what is known of everybody."""
    question = "Can the members of each segment be reached, and found among people who answered nothing?"
    if reachable is None and descriptors is None:
        return not_checked("accessible", question, "reachable or descriptors")
    status: list[Status] = []
    evidence, advice = [], []
    figures: dict[str, Any] = {}
    if reachable is not None:
        share = _reachable(table, segments, reachable)
        segments["reachable"] = share
        least = str(share.idxmin())
        figures["least_reachable"] = float(share.min())
        status.append("pass" if share.min() >= MOST_REACHABLE else "warn" if share.min() >= FEW_REACHABLE else "fail")
        evidence.append(f"Of {least} {percent(float(share.min()))} can be reached, the least of all segments.")
        if status[-1] != "pass":
            low = [str(name) for name in share.index[share < MOST_REACHABLE]]
            advice.append(f"find another channel, or ask for consent, in {name_some(low)}")
    if descriptors is not None:
        found = _findable(table, segments, descriptors, random_state)
        segments["auc"], segments["auc_low"] = found["auc"], found["auc_low"]
        lost = [str(name) for name in found.index[~(found["auc_low"] > 0.5)]]
        vague = [str(name) for name in found.index[~(found["auc"] >= ACCEPTABLE_AUC)]]
        status.append("pass" if not vague else "fail" if 2 * len(lost) >= len(found) else "warn")
        figures |= {
            "lowest_auc": float(found["auc"].min()) if found["auc"].notna().any() else None,
            "n_not_found": len(lost),
        }
        judged = found["auc"].dropna()
        if len(judged):
            evidence.append(
                f"Telling members from others by the descriptors has an AUC of {span(judged)}; 0.5 is chance."
            )
        if len(judged) < len(found):
            few = [str(name) for name in found.index[found["auc"].isna()]]
            evidence.append(
                f"For {name_some(few)} it cannot be judged: that takes two segments of {2 * N_FOLDS} customers."
            )
        if vague:
            advice.append(
                f"do not hope to find {name_some(vague)} by these descriptors: "
                "make an offer that they pick out themselves"
            )
    return ReviewCheck("accessible", question, worst(status), " ".join(evidence), sentence(advice), figures)


def _reachable(table: pd.DataFrame, segments: pd.DataFrame, reachable: Any) -> pd.Series[Any]:
    known, _ = customers_of(reachable, table, "reachable")
    for name, column in known.items():
        if not column.dropna().isin([0, 1]).all():
            raise ColumnError(
                f"reachable must be true or false (or 1 and 0); {name!r} has {name_some(column.dropna().unique())}."
            )
    # who is not in the table, or missing in it, cannot be reached
    yes = known.apply(lambda column: column.astype(object).where(column.notna(), 0).astype(bool))
    one = yes.any(axis=1).reindex(table.index, fill_value=False)
    share: pd.Series[Any] = one.groupby(table["segment"].astype(str)).mean().reindex(segments.index)
    return share


def _findable(table: pd.DataFrame, segments: pd.DataFrame, descriptors: Any, random_state: Any) -> pd.DataFrame:
    """Return the AUC of telling each segment from the others for customers not learnt from, and its lower bound."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold

    known, _ = customers_of(descriptors, table, "descriptors")
    if not len(known.columns):
        raise ColumnError("descriptors has no column beside the ids.")
    segment = table["segment"].reindex(known.index).astype(str)
    sizes = segment[segment != UNASSIGNED].value_counts()
    enough = [name for name in segments.index if sizes.get(name, 0) >= 2 * N_FOLDS]
    found = pd.DataFrame({"auc": np.nan, "auc_low": np.nan}, index=segments.index)
    if len(enough) < 2:
        return found
    inside = segment.isin(enough).to_numpy()
    X, nominal = _as_numbers(known[inside])
    codes = pd.Categorical(segment[inside], categories=enough).codes
    seed = int(np.random.default_rng(random_state).integers(2**31))
    level = 1 - CHANCE / len(enough)
    chances = np.zeros((len(X), len(enough)))
    folds = np.zeros(len(X), dtype=np.int64)
    cut = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    for number, (learn, test) in enumerate(cut.split(X, codes)):
        # few, small trees: descriptors say little as a rule, and a large model would learn its customers by heart
        learner = HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=8, min_samples_leaf=20, categorical_features=nominal, random_state=seed
        )
        chances[test] = learner.fit(X[learn], codes[learn]).predict_proba(X[test])
        folds[test] = number
    for position, name in enumerate(enough):
        found.loc[name, ["auc", "auc_low"]] = _auc(chances[:, position], codes == position, folds, level)
    return found


def _as_numbers(known: pd.DataFrame) -> tuple[NDArray[np.float64], list[bool]]:
    """Return descriptors as numbers, and which are numbers of levels: times become days, missing stays missing."""
    columns, nominal = [], []
    for name, column in known.dropna(axis="columns", how="all").items():
        column = column.infer_objects()
        nominal.append(False)
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            days = (column - column.min()).dt.total_seconds() / 86_400
            columns.append(days.to_numpy(dtype=np.float64, na_value=np.nan))
        elif pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
            columns.append(column.to_numpy(dtype=np.float64, na_value=np.nan))
        elif isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
            codes = column.cat.codes.to_numpy().astype(np.float64)
            columns.append(np.where(codes < 0, np.nan, codes))
        else:
            text = column.map(str, na_action="ignore")
            rank = {level: i for i, level in enumerate(text.value_counts().index[:LEVELS_AT_MOST])}
            if len(rank) > LEVELS_AT_MOST // 2 and 2 * text.nunique() > len(text):
                raise ColumnError(f"descriptor {name!r} has a value of its own for most customers; leave it out.")
            there = text.notna().to_numpy()
            places = text.map(rank).to_numpy(dtype=np.float64, na_value=np.nan)
            columns.append(np.where(there & np.isnan(places), LEVELS_AT_MOST, places))
            nominal[-1] = True
    if not columns:
        raise ColumnError("descriptors has no value in any column.")
    return np.column_stack(columns), nominal


def _auc(
    score: NDArray[np.float64], member: NDArray[np.bool_], folds: NDArray[np.int64], level: float
) -> tuple[float, float]:
    """Return the mean AUC over folds and its lower bound, by DeLong's variance (doi:10.2307/2531595)."""
    from scipy import stats

    areas, variances = [], []
    for fold in range(N_FOLDS):
        mine, others = score[(folds == fold) & member], score[(folds == fold) & ~member]
        if len(mine) < 2 or len(others) < 2:
            continue
        # share of the others below each member, and of the members above each other one; ties count half
        ordered, above = np.sort(others), np.sort(mine)
        below = (np.searchsorted(ordered, mine, "left") + np.searchsorted(ordered, mine, "right")) / (2 * len(others))
        over = 1 - (np.searchsorted(above, others, "left") + np.searchsorted(above, others, "right")) / (2 * len(mine))
        areas.append(float(below.mean()))
        variances.append(float(below.var(ddof=1) / len(mine) + over.var(ddof=1) / len(others)))
    area = float(np.mean(areas))
    spread = float(np.sqrt(np.sum(variances)) / len(areas))
    return area, area - float(stats.norm.ppf(level)) * spread


def private(table: pd.DataFrame, segments: pd.DataFrame, quasi_identifiers: Any) -> ReviewCheck:
    """Ask whether somebody could be recognised by the segment and what outsiders know."""
    question = "Is everybody one of at least ten who look alike?"
    sizes = segments["n_customers"]
    tiny = [str(name) for name in sizes.index[sizes < FEWEST]]
    figures: dict[str, Any] = {"smallest": int(sizes.min())}
    status: list[Status] = ["fail" if tiny else "pass"]
    evidence, advice = [], []
    if tiny:
        evidence.append(f"Fewer than {FEWEST} customers in {name_some(tiny)}.")
        advice.append("do not publish figures of these segments: governance.suppress_small_cells blanks them")
    else:
        evidence.append(f"No segment has fewer than {FEWEST} customers.")
    if quasi_identifiers is not None:
        known, _ = customers_of(quasi_identifiers, table, "quasi_identifiers")
        if "segment" in known.columns:
            raise ColumnError("quasi_identifiers has a column 'segment': rename it, the segments have this name.")
        known = known.assign(segment=table["segment"].reindex(known.index).astype(str))
        found = k_anonymity(known, list(known.columns), minimum=FEWEST)
        exposed = float(found.below()["n_customers"].sum() / found.n_customers)
        figures |= {"k": found.k, "share_in_small_classes": exposed}
        status.append("pass" if found.k >= FEWEST else "warn" if exposed <= EXPOSED else "fail")
        names = name_some([name for name in known.columns if name != "segment"])
        evidence.append(
            f"By {names} and the segment, k = {found.k}; {percent(exposed)} of the customers are in classes of fewer "
            f"than {FEWEST}."
        )
        if status[-1] != "pass":
            advice.append("make the published columns coarser, or leave one out")
    return ReviewCheck("private", question, worst(status), " ".join(evidence), sentence(advice), figures)


def not_a_proxy(table: pd.DataFrame, protected: Any, random_state: Any) -> ReviewCheck:
    """Ask whether segments stand in for a protected attribute."""
    question = "Do segments stand in for a protected attribute?"
    if protected is None:
        return not_checked("not_a_proxy", question, "protected attributes")
    known, _ = customers_of(protected, table, "protected")
    inside = table[table["segment"] != UNASSIGNED]
    audit = proxy_audit(inside, known, random_state=random_state)
    found = audit.table[audit.table["kind"] == "segment"]
    proxies = found[found["proxy"]]
    strongest = float(found["cramers_v"].max())
    figures = {"n_protected": len(found), "n_proxies": len(proxies), "cramers_v": strongest}
    if proxies.empty:
        evidence = f"Segments are not told from chance for {name_some([str(n) for n in found['protected']])}."
        return ReviewCheck("not_a_proxy", question, "pass", evidence, "", figures)
    status: Status = "fail" if float(proxies["cramers_v"].max()) >= PROXY_V else "warn"
    advice = (
        "Find the feature that carries it (governance.proxy_audit with features), and judge whether the segments may "
        "decide what people are offered."
    )
    return ReviewCheck("not_a_proxy", question, status, " ".join(audit.findings), advice, figures)
