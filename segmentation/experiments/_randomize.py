"""Give every customer an arm that anybody can compute again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from segmentation._format import count, name_some, number, percent
from segmentation._plotting import shorten
from segmentation._results import Result
from segmentation.experiments._randomize_hash import exact_share
from segmentation.experiments._randomize_input import as_columns, read_customers
from segmentation.experiments._randomize_manifest import HOLDOUT, RandomizationManifest, as_arms, make_manifest

if TYPE_CHECKING:
    from segmentation.experiments._randomize_balance import BalanceCheck

__all__ = ["Randomization", "randomize"]

SHOWN = 15
# One salt in a thousand; the analysis fails a sample-ratio check there.
UNLUCKY = 0.001


@dataclass(frozen=True, repr=False, eq=False)
class Randomization(Result):
    """Who is in which arm, as `randomize` returns it.

    Attributes
    ----------
    assigned : pandas.DataFrame
        Index ``customer_id``; the columns of `within`, and ``arm`` (categorical: the arms, then "holdout" where there
        is one).
    table : pandas.DataFrame
        Per segment ``n_customers`` and ``n_<arm>``.
    manifest : RandomizationManifest
        Save it: it gives the same arms again, and refuses other customers.
    settings : dict
    warnings : tuple of str
    """

    assigned: pd.DataFrame
    table: pd.DataFrame
    manifest: RandomizationManifest
    settings: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def arms(self) -> pd.Series[Any]:
        """The arm of each customer."""
        return self.assigned["arm"]

    def balance(self, covariates: Any, **options: Any) -> BalanceCheck:
        """Compare the arms on what was known before; see `check_balance`, which takes the options."""
        from segmentation.experiments._randomize_balance import check_balance

        return check_balance(self, covariates, **options)

    def to_pandas(self) -> pd.DataFrame:
        """Return who is in which arm."""
        return self.assigned.copy()

    def _facts(self) -> dict[str, Any]:
        return {
            "table": self.table.reset_index(),
            "manifest": self.manifest.to_dict(),
            "settings": self.settings,
            "warnings": self.warnings,
        }

    def __str__(self) -> str:
        rest = f"... ({count(len(self.table), 'segment')} in all)" if len(self.table) > SHOWN else ""
        lines = [
            str(self.manifest),
            self.table.head(SHOWN).rename(index=lambda name: shorten(name, 40)).to_string(),
            rest,
        ]
        return "\n".join([*filter(None, lines), *(f"Note: {text}" for text in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(text)}</p>" for text in (str(self.manifest), *self.warnings))
        return f"{notes}{self.table.to_html()}"

    def plot(self, ax: Any = None) -> Any:
        """Draw the share of each arm per segment beside what was asked for; returns the axes."""
        from segmentation.experiments._randomize_display import RandomizationDisplay

        return RandomizationDisplay.from_randomization(self).plot(ax).ax_


def randomize(
    customers: Any,
    *,
    salt: str,
    arms: Any = None,
    within: str | Sequence[str] | None = "segment",
    method: str = "hash",
    holdout: Any = 0,
    holdout_salt: str = "global-holdout",
    customer_id: Any = None,
) -> Randomization:
    """Give every customer an arm: the same for the same customer and salt, on every machine and kind of table.

    Parameters
    ----------
    customers : dataframe, assignment, or list of ids
        One row per customer, with the ids in ``customer_id`` (or a named pandas index) and the columns of `within`;
        pandas, polars, pyarrow, DuckDB. A Series is an assignment: segments indexed by customer.
    salt : str
        The name of the experiment, such as ``"spring-mail"``. Another salt gives independent arms; the same salt in two
        experiments gives the same people the same luck twice. Without ``:``.
    arms : mapping of name to share, or sequence of names, default ``{"control": 0.5, "treated": 0.5}``
        Shares of those who are not held out, summing to 1; names alone share equally. Their order matters.
    within : str, sequence of str or None, default="segment"
        Column or columns that form the segments: blocks are drawn within them, and counts are told by them. Customers
        in no segment ("unassigned") are randomized like a segment of their own.
    method : {"hash", "blocks"}, default="hash"
        ``"hash"``: the arm depends on salt and id alone. Customers who come later get theirs by ``manifest.assign``;
        counts vary by chance. ``"blocks"``: counts are exact in each segment (within less than one customer of share
        times size); later customers have no arm.
    holdout : number, default=0
        Share of customers that no experiment treats. They get the arm "holdout".
    holdout_salt : str, default="global-holdout"
        The hold-out's own salt. With the same salt the same people are held out of every experiment, and a larger
        share contains the smaller one.
    customer_id : column label, optional
        Column with the ids.

    Returns
    -------
    Randomization

    Raises
    ------
    ColumnError, CustomerTableError
        If nobody can be identified, ids are of a kind that is not safe, or columns are missing.
    ValueError, TypeError
        If shares do not sum to 1, the salt is empty, ...

    Notes
    -----
    **The hash.** SHA-256 of the UTF-8 text ``salt:id``; its first 13 hexadecimal digits are a whole number u below
    2^52. The arm is the first one k with u < floor(2^52 * (share_1 + ... + share_k)), shares being exact fractions (0.1
    is a tenth). Held out is who has u < floor(2^52 * holdout) with `holdout_salt`. Any database that has SHA-256 can
    compute this.

    **Ids** are hashed as text. Whole numbers of any type are written in digits; floats only if whole and below 2^53,
    because that is what a missing value makes of numbers; text stays as it is: ``"01"``, ``"1"`` and ``" 1"`` are three
    customers, the number 1 and the text ``"1"`` are one (so a file that was saved and read gives the same arms), and
    refused if both stand in a table. Dates, booleans and numbers with decimals are refused.

    **Blocks.** In each segment customers are put in the order of their whole digests, and arms dealt out in runs. Where
    share times size is no whole number, a hash of the segment's name decides which arm gets the odd customer
    (systematic rounding), so that everybody's probability of each arm is exactly its share, also in segments of one
    customer. Rounding by largest remainder would put every segment of one customer in the same arm.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.experiments import randomize
    >>> segments = pd.Series(["loyal", "new"] * 500, index=pd.RangeIndex(1000, name="customer_id"))
    >>> result = randomize(segments, salt="spring-mail", method="blocks", arms={"control": 0.2, "treated": 0.8})
    >>> print(result)
    Randomization 'spring-mail' by blocks within segment: 1,000 customers, control 0.2, treated 0.8
             n_customers  n_control  n_treated
    segment
    loyal            500        100        400
    new              500        100        400
    >>> result.arms.loc[[3, 4]].to_dict()
    {3: 'treated', 4: 'treated'}
    """
    names = as_columns(within)
    found = read_customers(customers, names, customer_id)
    manifest, codes = make_manifest(
        found,
        arms={"control": 0.5, "treated": 0.5} if arms is None else arms,
        salt=salt,
        method=method,
        within=names,
        holdout=exact_share(holdout, "holdout"),
        holdout_salt=holdout_salt,
    )
    assigned = found.columns.assign(arm=as_arms(codes, manifest, found.index))
    table = _table(manifest)
    ratio = _sample_ratio(table, manifest)
    settings = {
        "salt": manifest.salt,
        "arms": {name: float(share) for name, share in manifest.arms.items()},
        "method": method,
        "within": list(names),
        "holdout": float(manifest.holdout),
        "holdout_salt": manifest.holdout_salt,
        "n_customers": manifest.n_customers,
        "sample_ratio_p": ratio,
    }
    return Randomization(assigned, table, manifest, settings, _warnings(table, manifest, ratio))


def _table(manifest: RandomizationManifest) -> pd.DataFrame:
    rows = {
        name: {"n_customers": values["n_customers"]} | {f"n_{arm}": n for arm, n in values["counts"].items()}
        for name, values in manifest.strata.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(" | ".join(manifest.within) or "segment")


def _sample_ratio(table: pd.DataFrame, manifest: RandomizationManifest) -> float:
    """Return the p-value of the counts of the arms, all segments together."""
    counts = table[[f"n_{arm}" for arm in manifest.arms]].sum().to_numpy(dtype=float)
    if counts.sum() == 0:
        return float("nan")
    expected = counts.sum() * np.array([float(share) for share in manifest.arms.values()])
    return float(stats.chisquare(counts, expected).pvalue)


def _warnings(table: pd.DataFrame, manifest: RandomizationManifest, ratio: float) -> tuple[str, ...]:
    found = []
    names = [f"n_{arm}" for arm in manifest.arms]
    lacking = table.index[(table[names] == 0).any(axis=1)]
    if len(lacking):
        found.append(
            f"{count(len(lacking), 'segment has', 'segments have')} an arm without a customer: {name_some(lacking)}. "
            "No effect can be estimated there."
        )
    if ratio < UNLUCKY and manifest.method == "hash":
        found.append(
            f"with this salt the counts of the arms are further off than with 999 salts in 1,000 (p = "
            f"{number(ratio)}). That is chance and does no harm, but the analysis will ask: use blocks, or say so "
            "beforehand. Do not look for a salt that balances."
        )
    if manifest.holdout:
        name = f"n_{HOLDOUT}"
        held = int(table[name].sum())
        found.append(
            f"{count(held, 'customer')} ({percent(held / manifest.n_customers)}) are held out by "
            f"{manifest.holdout_salt!r}: treat none of them, in this experiment or another, and compare them "
            "with nobody inside this experiment."
        )
    return tuple(found)
