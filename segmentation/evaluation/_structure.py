"""Do the customers fall into groups, or are segments drawn through an even crowd? Which of both, with the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from segmentation._format import count, name_some
from segmentation._progress import progress
from segmentation.evaluation._latent_test import LatentTest, against_latent_normal
from segmentation.evaluation._refits import (
    Customers,
    check_segmenter,
    name_of,
    needs_prediction,
    root_seed,
    seeds_of,
    starts_of,
)
from segmentation.evaluation._structure_columns import PointMass, few_levels, point_masses, replace_point_masses
from segmentation.evaluation._structure_dip import Passes, in_order, run_passes
from segmentation.evaluation._structure_plan import Plan, plan_of, with_starts
from segmentation.evaluation._structure_result import StructureVerdict
from segmentation.evaluation._structure_space import numeric_part
from segmentation.evaluation._structure_stability import stability_by_number
from segmentation.evaluation._structure_words import CUSTOMERS_NEEDED, evidence_of, verdict_of

__all__ = ["structure_verdict"]

# Starts of a refit: with fewer, two refits differ by the optimiser's luck, which says nothing about the customers.
STARTS = 10
# Starts where groups are only looked for: several numbers of segments are tried on many samples, and a fit that is not
# the best one still shows most groups.
STARTS_IN_PASSES = 4
# Starts in simulated tables and in the real one beside them; the same for both keeps the comparison fair.
STARTS_IN_SIMULATIONS = 3


def structure_verdict(
    segmenter: Any,
    X: Any,
    *,
    n_segments: Iterable[int] | None = range(2, 9),
    parameter: str | None = None,
    alpha: float = 0.05,
    n_passes: int = 5,
    n_simulations: int = 99,
    n_pairs: int = 20,
    max_customers: int | None = 5000,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> StructureVerdict:
    """Say whether segments are found in the customers, come back in every run, or are created anew each time.

    The words are those of Dolnicar, Gruen and Leisch [1]_:

    - *natural*: for some number of segments, every group is apart from its nearest neighbour, also for customers it
      was not learnt from;
    - *reproducible*: no such groups, yet refits on other samples give the same segments: a choice, but a stable one;
    - *constructive*: segments are created anew each time; useful ones can still be chosen among many;
    - *cannot tell*: fewer than 400 customers and no sign of groups.

    Parameters
    ----------
    segmenter : Segmenter, or Pipeline that ends in one
        Copied for every fit, never changed. It must predict for customers that it was not fitted on.
    X : dataframe or array of shape (n_customers, n_features)
        The customers. Columns that are no numbers are left to the segmenter.
    n_segments : iterable of int or None, default=range(2, 9)
        Numbers of segments to try, beside that of the segmenter itself. None, and any segmenter that has no
        parameter for it (rules, HDBSCAN): its own solution only.
    parameter : str, optional
        Name of the parameter for the number of segments; found by itself where there is one candidate.
    alpha : float, default=0.05
        Chance to call customers without groups natural.
    n_passes : int, default=5
        Times that the customers are split into five parts; each customer stands at the mean of the places that the
        passes give them, so that no single split decides.
    n_simulations : int, default=99
        Simulated tables, for items with three levels or fewer.
    n_pairs : int, default=20
        Pairs of samples for the stability of each number of segments (see `segment_stability`).
    max_customers : int or None, default=5000
        Of more customers, a random sample of this size is judged. None: all.
    n_jobs : int, optional
        Processes for the refits of the stability; the result does not depend on it.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    StructureVerdict
        ``verdict``, ``evidence``, ``table`` per number of segments, ``groups``, ``point_masses``, ``settings``,
        ``warnings``.

    Raises
    ------
    TypeError, OutOfSampleError, ValueError
        If the segmenter cannot be used or a parameter is out of range.
    FitError
        If no fit succeeds.

    Notes
    -----
    *Natural, for values that are measured.* Each of five parts of the customers is put aside in turn. From the others
    come the segments; segments with nothing between them are taken together, the least separated first; and for each
    group that remains the discriminant to its nearest neighbour, learnt anew a few times with customers on the side
    that a normal distribution around its centre makes likelier, correlations shrunk [3]_. Each customer is projected by
    solutions learnt without them, one in each pass, and stands at the mean. These places are tested for a single mode
    by the dip test [2]_: all of the line or, where that showed the groups better in learning, its end with the
    smaller group and half as many of its neighbours, since the dip hardly sees few beside many. Where customers at the
    border are no lonelier than elsewhere, the groups count as joined: a ring has two modes on a line. Each group must
    pass, so the largest p-value counts. Equal values (ratings, counts) are spread half the way to their neighbours.

    The numbers of segments are tested in the order of how far apart their groups are *where they were learnt*, until
    one fails: the first is tested without correction, and the p-value of any other is the largest up to it [4]_. For a
    single part the order has not seen the customers tested. Over all parts it has seen each of them, as a customer
    learnt from, and so have the other parts' solutions; that this does no harm is checked by simulation only, in
    ``python benchmarks/bench_structure.py``.

    *Items with three levels or fewer* have gaps by themselves, and correlated ones form clusters of answers without
    any group. Segments are learnt on one half of the customers; the answers of the other half tell how many stand
    between two neighbours, chance in the answers allowed for. Groups are natural if that density is at most half of
    the sparser segment's, and lower than in tables with the same columns, cut from one normal distribution with the
    same (tetrachoric or polychoric) correlations. A table that has three or more such items and other columns is
    tested both ways, each at half of `alpha`; with fewer, only the other columns are looked at.

    *Point masses*, as many zeros in an amount, make two modes of one. They are reported, and groups are called natural
    only if they are still found when the values at the mass are replaced by others of the same column.

    *Reproducible or constructive* is a convention, not a test: reproducible is a median adjusted Rand index of the
    pairs of at least .80 together with a median SLSW of the weakest segment of at least .60, for the segmenter's own
    number of segments. ``python benchmarks/bench_structure.py --stability`` prints how often round and elongated clouds
    without groups pass. Refits use at least ten starts, fits to look for groups four.

    What it cannot see: groups that no straight line separates (moons), groups of less than some 8 % of the customers
    (of 800), groups nearer than about four standard deviations, and groups that the segmenter itself does not find:
    k-means cuts the large group instead of setting a small one apart where they differ in one column of several. Not
    natural is no proof that there are none.

    References
    ----------
    .. [1] Dolnicar, Gruen, Leisch (2018), Market Segmentation Analysis, chapters 3.2 and 7.5,
       doi:10.1007/978-981-10-8818-6.
    .. [2] Hartigan, Hartigan (1985), The dip test of unimodality, doi:10.1214/aos/1176346577.
    .. [3] Schaefer, Strimmer (2005), A shrinkage approach to large-scale covariance matrix estimation,
       doi:10.2202/1544-6115.1175.
    .. [4] Westfall, Krishen (2001), Optimally weighted, fixed sequence and gatekeeper multiple testing procedures,
       doi:10.1016/S0378-3758(01)00077-5.

    Examples
    --------
    >>> import numpy as np
    >>> from segmentation.evaluation import structure_verdict
    >>> from segmentation.segmenters import KMeansSegmenter
    >>> rng = np.random.default_rng(0)
    >>> customers = np.concatenate([rng.normal(centre, 1, (200, 3)) for centre in (0, 5, 10)])
    >>> found = structure_verdict(KMeansSegmenter(3), customers, n_segments=[2, 3], n_pairs=5, random_state=0)
    >>> found.verdict
    'natural'
    """
    who = "structure_verdict"
    check_segmenter(segmenter, who)
    needs_prediction(segmenter, who)
    _check(alpha, n_passes, n_simulations, n_pairs, max_customers)
    root = root_seed(random_state)
    (for_sample, for_masses), for_passes, again, for_tables, (for_stability,) = seeds_of(
        root, 2, n_passes, n_passes, n_simulations + 1, 1
    )
    everybody = Customers.of(X)
    customers = _sampled(everybody, max_customers, np.random.default_rng(for_sample))
    values, others = numeric_part(customers)
    plan = plan_of(segmenter, customers, values, n_segments, parameter)
    notes = list(plan.notes)
    if others:
        notes.append(f"Columns that are no numbers were not looked at for groups: {name_some(others)}.")
    if len(customers) < len(everybody):
        notes.append(f"A random sample of {len(customers):,} of {len(everybody):,} customers was judged.")
    masses = point_masses(values) if plan.dip else []

    level = alpha / plan.n_tests if plan.n_tests else alpha
    models = {k: with_starts(model, STARTS) for k, model in plan.models.items()}
    fewer = {k: with_starts(model, STARTS_IN_PASSES) for k, model in plan.models.items()}
    passes = _passes(fewer, customers, for_passes, level, "looking for groups") if plan.dip else {}
    latent = _latent(plan.models, customers, for_tables) if plan.latent else None
    table = _table(plan, passes, latent, level)
    without = None
    if masses and (table["p_adjusted"] <= level).any() and not _by_latent(table, level):
        spread = _without_masses(customers, masses, np.random.default_rng(for_masses))
        repeated = _passes(fewer, spread, again, level, "once more without point masses")
        without = _table(plan, repeated, None, level)
        table["p_without_masses"] = without["p_adjusted"]
    stability = stability_by_number(models, customers, n_pairs, for_stability, n_jobs)
    table = table.join(stability.table)
    notes += stability.notes
    notes += _failures(passes)
    verdict, at = verdict_of(table, plan, level, len(customers))
    settings = {
        "segmenter": name_of(segmenter),
        "starts": starts_of(with_starts(segmenter, STARTS)),
        "n_segments": list(plan.models),
        "own": plan.own,
        "parameter": plan.parameter,
        "tests": plan.tests,
        "alpha": alpha,
        "level": level,
        "n_passes": n_passes,
        "n_folds": 5,
        "n_simulations": 0 if latent is None else len(latent.simulated),
        "n_pairs": n_pairs,
        "scheme": stability.scheme,
        "n_customers": len(customers),
        "n_customers_given": len(everybody),
        "n_columns": values.shape[1],
        "n_few_levels": int(few_levels(values.to_numpy()).sum()),
        "customers_needed": CUSTOMERS_NEEDED,
        "random_state": root,
    }
    result = StructureVerdict(
        verdict=verdict,
        n_segments=at,
        evidence=(),
        table=table,
        groups=_groups_table(passes, at),
        point_masses=_masses_table(masses),
        held_out=_held_out(passes, at),
        simulated=latent,
        settings=settings,
        warnings=tuple(notes),
    )
    return replace(result, evidence=evidence_of(result))


def _check(alpha: Any, n_passes: Any, n_simulations: Any, n_pairs: Any, max_customers: Any) -> None:
    if isinstance(alpha, bool) or not isinstance(alpha, int | float | np.number) or not 0 < alpha < 1:
        raise ValueError(f"alpha must be a number between 0 and 1, got {alpha!r}.")
    least = {"n_passes": (n_passes, 1), "n_simulations": (n_simulations, 19), "n_pairs": (n_pairs, 2)}
    if max_customers is not None:
        least["max_customers"] = (max_customers, 50)
    for name, (value, lowest) in least.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
            raise ValueError(f"{name} must be a whole number of at least {lowest}, got {value!r}.")
    if 1 / (n_simulations + 1) > alpha / 2:
        raise ValueError(
            f"{n_simulations} simulated tables cannot give a p-value below {1 / (n_simulations + 1):.3g}, which alpha="
            f"{alpha:g} may need: n_simulations={int(np.ceil(2 / alpha)) - 1} or more."
        )


def _sampled(customers: Customers, most: int | None, rng: np.random.Generator) -> Customers:
    if most is None or len(customers) <= most:
        return customers
    return customers.rows(np.sort(rng.choice(len(customers), most, replace=False)), keep_ids=True)


def _passes(
    models: Mapping[int, Any], customers: Customers, seeds: list[np.random.SeedSequence], needed: float, what: str
) -> dict[int, Passes]:
    """Run the passes for every number of segments: the same splits for all of them."""
    with progress(what=what, total=len(seeds) * len(models), unit="pass") as bar:
        return {
            k: run_passes(model, customers, [_copy(seed) for seed in seeds], needed=needed, bar=bar)
            for k, model in models.items()
        }


def _copy(seed: np.random.SeedSequence) -> np.random.SeedSequence:
    """Return the seed as if nothing had been spawned from it."""
    return np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)


def _latent(models: Mapping[int, Any], customers: Customers, seeds: list[np.random.SeedSequence]) -> LatentTest:
    fewer = {k: with_starts(model, STARTS_IN_SIMULATIONS, exactly=True) for k, model in models.items()}
    with progress(what="tables without groups", total=len(seeds) - 1, unit="table") as bar:
        return against_latent_normal(fewer, customers, seeds, bar)


def _table(plan: Plan, passes: Mapping[int, Passes], latent: LatentTest | None, level: float) -> pd.DataFrame:
    """One row per number of segments, with what the tests say; the smaller adjusted p-value where there are two."""
    rows = []
    adjusted = in_order({k: found for k, found in passes.items() if found.tested is not None})
    for k in plan.models:
        row: dict[str, Any] = {"n_segments": k, "own": k == plan.own, "test": "", "n_groups": pd.NA}
        row |= {"distance": np.nan, "apartness": np.nan, "p_value": np.nan, "p_adjusted": np.nan}
        tested = passes[k].tested if k in passes else None
        if tested is not None:
            row |= {"test": "dip", "n_groups": tested.n_groups, "apartness": tested.apartness}
            row |= {"p_value": tested.p_value, "p_adjusted": adjusted[k]}
            row["distance"] = min((group.distance for group in tested.groups), default=np.nan)
        if latent is not None and not row["p_adjusted"] <= latent.p_adjusted[k]:
            row |= {"test": "latent normal", "n_groups": k, "distance": np.nan}
            row |= {"p_value": float(latent.p_value[k]), "p_adjusted": float(latent.p_adjusted[k])}
        rows.append(row)
    table = pd.DataFrame(rows).set_index("n_segments").astype({"n_groups": "Int64"})
    table["natural"] = table["p_adjusted"] <= level
    return table


def _by_latent(table: pd.DataFrame, level: float) -> bool:
    """Tell whether the items of few levels alone show groups, which no point mass can be the cause of."""
    return bool(((table["test"] == "latent normal") & (table["p_adjusted"] <= level)).any())


def _without_masses(customers: Customers, masses: list[PointMass], rng: np.random.Generator) -> Customers:
    names = list(dict.fromkeys(mass.column for mass in masses))
    if not customers.is_table:
        frame = pd.DataFrame(np.asarray(customers.data, dtype=np.float64))
        return Customers(replace_point_masses(frame, masses, rng).to_numpy(), customers.index, customers.y)
    data = customers.data.copy()
    data[names] = replace_point_masses(data[names], masses, rng)
    return Customers(data, customers.index, customers.y)


def _failures(passes: Mapping[int, Passes]) -> list[str]:
    return [
        f"{count(found.n_failed, 'fit')} for {count(k, 'segment')} failed, and the part of the customers it was to be "
        f"tested on was left out; the first error: {found.error}"
        for k, found in passes.items()
        if found.n_failed
    ]


def _held_out(passes: Mapping[int, Passes], at: int | None) -> Any:
    """Return the groups for the number that the verdict names, or for that of the smallest p-value."""
    known = {k: found.tested for k, found in passes.items() if found.tested is not None and found.tested.groups}
    if not known:
        return ()
    return known[at if at in known else min(known, key=lambda number: known[number].p_value)].groups


def _groups_table(passes: Mapping[int, Passes], at: int | None) -> pd.DataFrame:
    """One row per group on customers not learnt from."""
    groups = _held_out(passes, at)
    return pd.DataFrame(
        {
            "n_customers": [int((~group.is_neighbour).sum()) for group in groups],
            "n_of_neighbour": [int(group.is_neighbour.sum()) for group in groups],
            "distance": [group.distance for group in groups],
            "loneliness": [group.loneliness for group in groups],
            "p_value": [group.p_value for group in groups],
        },
        index=pd.RangeIndex(1, len(groups) + 1, name="group"),
    )


def _masses_table(masses: list[PointMass]) -> pd.DataFrame:
    return pd.DataFrame(
        [(mass.column, mass.value, mass.share) for mass in masses], columns=["column", "value", "share"]
    )
