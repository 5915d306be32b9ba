"""Churn: how likely customers are to be lost within a horizon, with and without a contract."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation import clv
from segmentation._format import count, name_some
from segmentation.base import Scorer
from segmentation.clv._rows import unique_rows
from segmentation.exceptions import ColumnError, CustomerTableError, FitDiagnosisWarning
from segmentation.scorers._purchase_table import looks_like_rfm, read_purchases

__all__ = ["ChurnScorer"]

Floats = NDArray[np.float64]

# models by kind, the default first
MODELS = {
    "non_contractual": {"mbg_nbd": "ModifiedBetaGeoNBD", "bg_nbd": "BetaGeoNBD", "pareto_nbd": "ParetoNBD"},
    "contractual": {"sbg": "ShiftedBetaGeo", "bdw": "BetaDiscreteWeibull"},
}
SCORES = {
    "non_contractual": ["churn", "p_alive", "days_to_next_purchase"],
    "contractual": ["churn", "retention", "remaining_periods"],
}


class ChurnScorer(Scorer):
    """Chance that a customer is lost within a horizon.

    Without a contract nobody says goodbye: churn is then that no purchase comes within `horizon_days` after the end
    of observation, by a purchase model. With a contract it is known who has left: churn is then that a customer
    who is still there leaves within `horizon_periods`, by a model of retention. Both are fitted by maximum
    likelihood.

    Parameters
    ----------
    kind : {"non_contractual", "contractual"}, default="non_contractual"
    model : str or None, default=None
        Non-contractual: "mbg_nbd" (the default [1]_), "bg_nbd" or "pareto_nbd". Contractual: "sbg" (the default
        [2]_), or "bdw" [3]_, where the chance to leave may change with tenure.
    horizon_days : float, default=90
        Non-contractual. Set it to a few times the usual time between purchases; the longer it is, the fewer customers
        count as lost.
    horizon_periods : int, default=1
        Contractual. In the periods of `tenure`, such as months; 1 is the next renewal.
    tenure, churned : str, default="tenure", "churned"
        Contractual: names of the columns. Tenure is the period, from 1 on, in which a customer left, or how many
        periods somebody has stayed so far; churned is True for those who left.

    Attributes
    ----------
    score_names_ : ndarray of shape (3,)
        Non-contractual: ``churn``; ``p_alive``, the probability that the customer has not left for good;
        ``days_to_next_purchase``, the median of the days until the next purchase, given that one comes within the
        horizon, hence never longer. Contractual: ``churn``; ``retention``, the chance to renew next time;
        ``remaining_periods``, the further periods expected, out of the next `horizon_periods`. Customers who have
        left already have 1, 0 and 0. No score is missing.
    model_ : object
        The fitted model of `segmentation.clv`.
    params_ : dict of str to float
        Its parameters; times in days, or in periods.
    log_likelihood_ : float
    n_customers_ : int
    diagnosis_ : tuple of str
        What in the data is worth knowing; what makes the scores doubtful stands in a `FitDiagnosisWarning` too.

    Notes
    -----
    Non-contractual customers come in a table of `segmentation.features.btyd_table` (``frequency``, ``recency`` and
    ``T`` in days). Somebody who leaves and somebody who pauses for longer than the horizon are both lost: ``churn``
    is at least 1 - ``p_alive``.

    References
    ----------
    .. [1] Batislam, Denizel, Filiztekin (2007), Empirical Validation and Comparison of Models for Customer Base
       Analysis, International Journal of Research in Marketing 24(3), 201-209, doi:10.1016/j.ijresmar.2006.12.005.
    .. [2] Fader, Hardie (2007), How to Project Customer Retention, Journal of Interactive Marketing 21(1), 76-90,
       doi:10.1002/dir.20074.
    .. [3] Fader, Hardie, Liu, Davin, Steenburgh (2018), "How to Project Customer Retention" Revisited: The Role of
       Duration Dependence, Journal of Interactive Marketing 43, 1-16, doi:10.1016/j.intmar.2018.01.002.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.scorers import ChurnScorer
    >>> contracts = pd.DataFrame({
    ...     "customer_id": range(100),
    ...     "months": [1] * 30 + [2] * 12 + [3] * 6 + [4] * 4 + [4] * 48,
    ...     "left": [True] * 52 + [False] * 48,
    ... })
    >>> scorer = ChurnScorer("contractual", horizon_periods=3, tenure="months", churned="left").fit(contracts)
    >>> scorer.score_customers(contracts).iloc[[0, 99]].round(2)
                 churn  retention  remaining_periods
    customer_id
    0             1.00       0.00               0.00
    99            0.16       0.93               2.66
    """

    def __init__(
        self,
        kind: str = "non_contractual",
        *,
        model: str | None = None,
        horizon_days: float = 90,
        horizon_periods: int = 1,
        tenure: str = "tenure",
        churned: str = "churned",
    ) -> None:
        self.kind = kind
        self.model = model
        self.horizon_days = horizon_days
        self.horizon_periods = horizon_periods
        self.tenure = tenure
        self.churned = churned

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.scorer_tags.unit = "probability"
        tags.scorer_tags.higher_is_better = False
        tags.scorer_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        return tags

    def _required_columns(self) -> Sequence[str]:
        return [self.tenure, self.churned] if self.kind == "contractual" else ["frequency", "recency", "T"]

    def _customers(self, X: Any, *, reset: bool) -> tuple[Any, pd.Index]:
        try:
            return super()._customers(X, reset=reset)
        except ColumnError as error:
            present = getattr(X, "columns", ())
            if self.kind == "contractual" and {"frequency", "recency", "T"} <= set(present):
                hint = 'This looks like a table of purchases; without contracts take ChurnScorer("non_contractual").'
            elif self.kind != "contractual" and {self.tenure, self.churned} <= set(present):
                hint = 'This looks like a table of contracts; for them take ChurnScorer("contractual").'
            elif self.kind != "contractual" and looks_like_rfm(present):
                hint = "This looks like an RFM table; segmentation.features.btyd_table makes the right one."
            else:
                raise
            raise ColumnError(f"{error} {hint}") from error

    def _fit(self, X: pd.DataFrame, y: Any) -> Sequence[str]:
        self._check_parameters()
        choices = MODELS[self.kind]
        name = choices[next(iter(choices)) if self.model is None else self.model]
        self.model_ = getattr(clv, name)().fit(*self._columns(X))
        self._fitted_kind = self.kind
        self.params_ = dict(self.model_.params_)
        self.log_likelihood_ = float(self.model_.log_likelihood_)
        self.n_customers_ = len(X)
        self.diagnosis_ = tuple(self.model_.diagnosis_)
        doubts = [finding.text for finding in self.model_._findings if finding.doubtful]
        if doubts:
            numbered = " ".join(f"({i}) {text}" for i, text in enumerate(doubts, 1))
            # three levels up is the caller of fit
            warnings.warn(
                f"{type(self).__name__} is fitted, but its scores are doubtful: {numbered}",
                FitDiagnosisWarning,
                stacklevel=3,
            )
        return SCORES[self.kind]

    def _columns(self, X: pd.DataFrame) -> tuple[Floats, ...]:
        who = type(self).__name__
        if self.kind == "contractual":
            return _read_contracts(X, self.tenure, self.churned, who)
        return tuple(read_purchases(X, who, spend=False)[:3])

    def _scores(self, X: pd.DataFrame) -> Floats:
        self._check_parameters()
        if self.kind != self._fitted_kind:
            raise ValueError(f"kind was {self._fitted_kind!r} in fit and is {self.kind!r} now: fit again.")
        # customers with the same history have the same scores
        rows, places, _ = unique_rows(*self._columns(X))
        score = self._score_contracts if self.kind == "contractual" else self._score_purchases
        return score(*rows)[places]

    def _score_purchases(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        upcoming = self.model_.next_purchase(float(self.horizon_days), x, t_x, T)
        churn = np.clip(1.0 - upcoming.probability, 0.0, 1.0)
        return np.column_stack([churn, self.model_.p_alive(x, t_x, T), upcoming.median])

    def _score_contracts(self, tenure: Floats, churned: Floats) -> Floats:
        horizon, model, there = int(self.horizon_periods), self.model_, churned == 0
        scores = np.column_stack(
            [
                model.churn_probability(horizon, tenure),
                model.retention_rate(tenure + 1),
                model.expected_remaining_periods(horizon, tenure),
            ]
        )
        return np.where(there[:, None], scores, [1.0, 0.0, 0.0])

    def _check_parameters(self) -> None:
        """Refuse parameters that mean nothing, naming what was expected."""
        if self.kind not in MODELS:
            raise ValueError(f"kind must be one of {name_some(MODELS)}, got {self.kind!r}.")
        if self.model is not None and self.model not in MODELS[self.kind]:
            raise ValueError(
                f"model must be one of {name_some(MODELS[self.kind])} or None where kind={self.kind!r}, "
                f"got {self.model!r}."
            )
        days, periods = self.horizon_days, self.horizon_periods
        if not _is_number(days) or days <= 0:
            raise ValueError(f"horizon_days must be a positive number, got {days!r}.")
        if not _is_number(periods) or periods < 1 or periods != int(periods):
            raise ValueError(f"horizon_periods must be a whole number of periods from 1 on, got {periods!r}.")
        if self.kind == "non_contractual" and periods != 1:
            raise ValueError(f"horizon_periods={periods!r} is for kind='contractual'; here use horizon_days.")
        if self.kind == "contractual" and self.tenure == self.churned:
            raise ValueError(f"tenure and churned must name two columns, got {self.tenure!r} for both.")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and bool(np.isfinite(float(value)))


def _read_contracts(table: pd.DataFrame, tenure: str, churned: str, who: str) -> tuple[Floats, Floats]:
    """Check the columns and return them as numbers.

    Raises
    ------
    ColumnError
        If a column holds no numbers.
    CustomerTableError
        If values are impossible; the message names columns and up to five customers.
    """
    remedies = {
        tenure: "count whole periods",
        churned: "write True for customers who left and False for the others",
    }
    columns = []
    for name, remedy in remedies.items():
        column = table[name]
        if not (pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype)):
            found = column.dropna().unique()
            values = name_some(found, 3)
            if name == churned and len(found) == 2:
                # the rarer of two is more often the one who left, but that is for the reader to say
                remedy = f'write True for customers who left, table["{churned}"] == {found[0]!r} or == {found[1]!r}'
            raise ColumnError(f"{who} takes numbers; column {name!r} is {column.dtype} (values: {values}): {remedy}.")
        columns.append(column.to_numpy(dtype=np.float64))
    periods, left = columns
    for wrong, text in (
        (
            (periods < 0) | (periods != np.floor(periods)),
            f"{tenure!r} must be a whole number of periods from 0 on; it is not for {{}}. Leave out the unfinished "
            "period of those who stay, and count it for those who left in it.",
        ),
        ((left != 0) & (left != 1), f"{churned!r} must be True or False (or 1 or 0); it is not for {{}}."),
        (
            (left == 1) & (periods == 0),
            f"somebody who left did so in period 1 or later, but {tenure!r} is 0 although {churned!r} is True for "
            "{}.",
        ),
    ):
        if wrong.any():
            named = f"{count(int(wrong.sum()), 'customer')} ({name_some(table.index[wrong])})"
            raise CustomerTableError(f"{who}: {text.format(named)}")
    return periods, left
