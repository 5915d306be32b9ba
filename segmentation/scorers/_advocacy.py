"""Advocacy: what customers say they would recommend, and whom they have brought."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._tags import SegmentationTags
from segmentation.base import Scorer
from segmentation.exceptions import ColumnError, CustomerTableError, FitDiagnosisWarning, FitError
from segmentation.scorers._shrinkage import Rates, fit_levels, fit_rates

__all__ = ["AdvocacyScorer"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

LOWEST, HIGHEST = 0, 10
PROMOTER, DETRACTOR = 9, 6  # from 9 and up to 6, as the net promoter score defines them

# From so few customers with several answers, variances within and between customers are not told apart.
FEWEST_REPEATS = 10
# Then one answer is taken to be worth as much as the segment's mean: an assumption, and the scorer says so.
ASSUMED_PRIOR_ANSWERS = 1.0


class AdvocacyScorer(Scorer):
    """How warmly customers recommend: answers from 0 to 10, and referrals, with what is missing filled honestly.

    A customer's mean answer is drawn towards the mean of the segment, the less the more answers there are; the
    segment's towards the population's, the less the larger it is. Who has not answered gets the segment's mean,
    and ``shrinkage`` says for every customer how much of the figure is the customer's own.

    Parameters
    ----------
    answers : column or list of columns, default="nps"
        Answers to "how likely are you to recommend us", 0 to 10, one column for each time a customer may have been
        asked; missing where there is no answer.
    referrals : column, optional
        Number of customers brought, a whole number; missing where it is not known.
    exposure : column, optional
        For how long referrals were counted, such as years as a customer; positive. By default 1 for everybody.
    segment : column, optional
        Segment of the customer, text or numbers; missing, or not seen in ``fit``: the population takes its place.
    prior_answers : float, optional
        How many answers the segment's mean is worth: a customer with n keeps the weight n / (n + prior_answers). By
        default estimated from customers with several answers.
    referral_weight : float, default=0.5
        Weight of referrals in ``advocacy``, from 0 to 1. Without `referrals` it is 0.

    Attributes
    ----------
    score_names_ : ndarray
        * ``advocacy``, from 0 to 100: 100 * ((1 - w) * answer_expected / 10 + w * P), w the `referral_weight` and P
          the probability of at least one referral in the next unit of exposure;
        * ``answer_expected``: the next answer, 0 to 10;
        * ``nps_expected``: 100 * (probability of 9 or 10 - probability of 0 to 6), -100 to 100: its mean over
          customers is the expected net promoter score, not that of those who chose to answer;
        * ``p_promoter``: probability of 9 or 10;
        * ``referral_rate`` per unit of exposure; only with `referrals`;
        * ``shrinkage``: weight of the segment in ``answer_expected``: 1 for a customer without answers, towards 0
          with many.
    prior_answers_ : float
        How many answers the segment's mean is worth; infinite where customers do not differ.
    variance_ : dict
        ``within_customer``, ``between_customers``, ``between_segments``: variances of the answers.
    segment_means_ : pandas.DataFrame
        One row per segment: ``n_customers``, ``n_answered``, ``answer_expected``, ``nps_expected``, ``p_promoter``,
        ``shrinkage`` (weight of the mean of all segments) and, with `referrals`, ``referral_rate``: what a customer
        without answers gets. Empty without `segment`.
    population_ : dict
        The same of the population.
    answered_share_ : float
        Share of the customers of ``fit`` with at least one answer.
    diagnosis_ : tuple of str
        What makes the result doubtful, and the assumption it rests on.

    Raises
    ------
    FitError
        If nobody has answered, or no referrals are known.
    ColumnError, CustomerTableError
        If columns are missing, are no numbers, or answers leave 0 to 10 or referrals are negative or not whole, or
        exposure is not positive; the customers are named.
    ValueError, TypeError
        If a parameter cannot be used.

    Warns
    -----
    FitDiagnosisWarning
        If `prior_answers` is not given and fewer than 10 customers have several answers: then 1 is assumed. If
        customers of a segment do not differ beyond the noise of their answers.

    Notes
    -----
    Answers are segment mean + deviation of the customer + deviation of the occasion. The two variances are estimated
    by the method of moments (analysis of variance for unequal numbers), the variance of the segments' means by
    DerSimonian and Laird [1]_; the shrunk means are the linear Bayes estimate (Bühlmann and Straub [2]_) and need no
    distribution. The shares of promoters and detractors are shrunk in the same way, with a weight of their own, because
    they say less about a customer than the answers. The population's figures are means over all customers, those who
    have not answered included at their segment's mean; segments are drawn towards the mean of the segments.
    Referrals are Poisson counts with gamma-distributed rates, their spread by the method of moments [3]_.

    **Nothing here corrects answers that are missing for a reason.** Who does not answer is taken to be like those of
    the segment who do. Where the unhappy stay silent, every figure is too high, and no calculation on the answers
    can tell. ``answered_share_`` says how much rests on that.

    Intervals are not given: shrunk means are the best guess of each customer, and vary less than customers do. Do not
    count customers above a limit by them.

    References
    ----------
    .. [1] DerSimonian, Laird (1986), Meta-analysis in clinical trials, Controlled Clinical Trials 7(3), 177-188,
       doi:10.1016/0197-2456(86)90046-2.
    .. [2] Bühlmann, Gisler (2005), A Course in Credibility Theory and its Applications, Springer,
       doi:10.1007/3-540-29273-X, chapter 4.
    .. [3] Morris (1983), Parametric Empirical Bayes Inference: Theory and Applications, Journal of the American
       Statistical Association 78(381), 47-55, doi:10.1080/01621459.1983.10477920.

    Examples
    --------
    >>> import pandas as pd
    >>> from segmentation.scorers import AdvocacyScorer
    >>> customers = pd.DataFrame({
    ...     "nps": [10, 9, None, 2, 3, None], "segment": ["fans", "fans", "fans", "others", "others", "others"]},
    ...     index=list("abcdef"))
    >>> model = AdvocacyScorer(segment="segment", prior_answers=1).fit(customers)
    >>> model.score_customers(customers)[["advocacy", "answer_expected", "shrinkage"]].round(2)
                 advocacy  answer_expected  shrinkage
    customer_id
    a               97.32             9.73        0.5
    b               92.32             9.23        0.5
    c               94.64             9.46        1.0
    d               22.68             2.27        0.5
    e               27.68             2.77        0.5
    f               25.36             2.54        1.0
    """

    def __init__(
        self,
        answers: Any = "nps",
        *,
        referrals: Any = None,
        exposure: Any = None,
        segment: Any = None,
        prior_answers: float | None = None,
        referral_weight: float = 0.5,
    ) -> None:
        self.answers = answers
        self.referrals = referrals
        self.exposure = exposure
        self.segment = segment
        self.prior_answers = prior_answers
        self.referral_weight = referral_weight

    def __sklearn_tags__(self) -> SegmentationTags:
        tags = super().__sklearn_tags__()
        tags.scorer_tags.unit = "index"
        tags.scorer_tags.dataframe_only = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        return tags

    def _answer_columns(self) -> list[Any]:
        return list(self.answers) if isinstance(self.answers, list | tuple) else [self.answers]

    def _required_columns(self) -> Sequence[Any]:
        self._check_parameters()
        others = [self.referrals, self.exposure, self.segment]
        return [*self._answer_columns(), *(name for name in others if name is not None)]

    def _check_parameters(self) -> None:
        columns = self._answer_columns()
        others = [name for name in (self.referrals, self.exposure, self.segment) if name is not None]
        if not columns or len({*columns, *others}) < len(columns) + len(others):
            raise ValueError(
                "answers, referrals, exposure and segment must be different columns, got "
                f"{name_some([*columns, *others])}."
            )
        if self.exposure is not None and self.referrals is None:
            raise ValueError(f"exposure={self.exposure!r} is for referrals, and no referrals are named.")
        for name, low, high in (("prior_answers", 0.0, np.inf), ("referral_weight", 0.0, 1.0)):
            value = getattr(self, name)
            if name == "prior_answers" and value is None:
                continue
            is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
            if not is_number or not low <= value <= high or not np.isfinite(float(value)):
                limits = "0 or more" if name == "prior_answers" else "from 0 to 1"
                raise ValueError(f"{name} must be a number, {limits}, got {value!r}.")

    def _fit(self, X: pd.DataFrame, y: Any) -> Sequence[str]:
        answers = self._read_answers(X)
        n, means, squares = _summaries(answers)
        if not n.any():
            raise FitError(f"nobody has answered: {name_some(self._answer_columns())} are empty.")
        self._codes_of = _segments(X[self.segment]) if self.segment is not None else {}
        codes = self._codes(X)
        prior, doubts = self._prior(n)
        size = len(self._codes_of)
        answer = fit_levels(n, means[0], squares[0], codes, size, prior)
        # promoters and detractors together, so that one weight serves both and their shares stay shares
        net = fit_levels(n, means[3], squares[3], codes, size, prior).prior_answers
        self._levels = [answer, *(fit_levels(n, means[k], squares[k], codes, size, net) for k in (1, 2))]
        self._rates: Rates | None = None
        if self.referrals is not None:
            referred, exposure = self._read_referrals(X)
            if not (exposure > 0).any():
                raise FitError(f"no referrals are known: {self.referrals!r} is empty.")
            self._rates = fit_rates(referred, exposure, codes, size)
        self.answered_share_ = float((n > 0).mean())
        self._report(codes, n)
        if np.isinf(self.prior_answers_):
            doubts.append(
                "customers of a segment do not differ beyond the noise of their answers, so each gets the segment's "
                "mean, whatever they said."
            )
        self.diagnosis_ = tuple(doubts)
        if doubts:
            warnings.warn(  # three levels up is the caller of fit
                f"{type(self).__name__} is fitted, but: {' '.join(doubts)}", FitDiagnosisWarning, stacklevel=3
            )
        names = ["advocacy", "answer_expected", "nps_expected", "p_promoter", "referral_rate", "shrinkage"]
        return names if self._rates is not None else [name for name in names if name != "referral_rate"]

    def _prior(self, n: Floats) -> tuple[float | None, list[str]]:
        """Return the weight of the prior, None where it is estimated, and what that assumes."""
        if self.prior_answers is not None:
            return float(self.prior_answers), []
        repeats = int((n > 1).sum())
        if repeats >= FEWEST_REPEATS:
            return None, []
        return ASSUMED_PRIOR_ANSWERS, [
            f"{count(repeats, 'customer has', 'customers have')} several answers, at least {FEWEST_REPEATS} are needed "
            "to see how much answers of one customer vary: the mean of the segment is taken to be worth "
            f"{ASSUMED_PRIOR_ANSWERS:g} answer. Say so yourself with prior_answers={ASSUMED_PRIOR_ANSWERS:g}, or "
            "another number."
        ]

    def _report(self, codes: Codes, n: Floats) -> None:
        """Set what is known about segments and population as attributes."""
        level = self._levels[0]
        self.prior_answers_ = level.prior_answers
        self.variance_ = {
            "within_customer": level.within,
            "between_customers": level.between,
            "between_segments": level.between_segments,
        }
        everybody = np.append(np.arange(len(self._codes_of)), -1)
        silent = np.zeros(len(everybody))
        table = pd.DataFrame(self._figures(silent, np.zeros((4, len(everybody))), everybody, silent, silent))
        table = table.drop(columns=["advocacy"])
        table["shrinkage"] = np.append(level.segment_shrinkage, 1.0)
        table.insert(0, "n_customers", [int((codes == code).sum()) for code in everybody[:-1]] + [len(codes)])
        table.insert(1, "n_answered", [int((n[codes == c] > 0).sum()) for c in everybody[:-1]] + [int((n > 0).sum())])
        whole = {"n_customers", "n_answered"}
        everything = table.iloc[-1].drop("shrinkage")
        self.population_ = {str(name): int(v) if name in whole else float(v) for name, v in everything.items()}
        index = pd.Index(list(self._codes_of), name="segment", dtype=object)
        self.segment_means_ = table.iloc[:-1].set_axis(index, axis=0)

    def _scores(self, X: pd.DataFrame) -> Floats:
        n, means, _ = _summaries(self._read_answers(X))
        nothing = np.zeros(len(X))
        referred, exposure = self._read_referrals(X) if self._rates is not None else (nothing, nothing)
        return np.column_stack(list(self._figures(n, means, self._codes(X), referred, exposure).values()))

    def _figures(self, n: Floats, means: Floats, codes: Codes, referred: Floats, exposure: Floats) -> dict[str, Floats]:
        answer, promoter, detractor = (
            level.expected(n, mean, codes) for level, mean in zip(self._levels, means[:3], strict=True)
        )
        figures = {
            "advocacy": 10.0 * answer,
            "answer_expected": answer,
            "nps_expected": 100 * (promoter - detractor),
            "p_promoter": promoter,
        }
        if self._rates is not None:
            w = float(self.referral_weight)
            figures["advocacy"] = (1 - w) * 10.0 * answer + w * 100 * self._rates.any(referred, exposure, codes)
            figures["referral_rate"] = self._rates.expected(referred, exposure, codes)
        return {**figures, "shrinkage": self._levels[0].shrinkage(n)}

    def _codes(self, X: pd.DataFrame) -> Codes:
        if self.segment is None:
            return np.full(len(X), -1, dtype=np.int64)
        column = X[self.segment]
        return np.array([-1 if pd.isna(one) else self._codes_of.get(one, -1) for one in column], dtype=np.int64)

    def _read_answers(self, X: pd.DataFrame) -> Floats:
        columns = [_numbers(X[name], name, "answers from 0 to 10") for name in self._answer_columns()]
        for name, values in zip(self._answer_columns(), columns, strict=True):
            wrong = ~np.isnan(values) & ~((values >= LOWEST) & (values <= HIGHEST))
            _refuse(X.index[wrong], values[wrong], f"answers in {name!r} must lie in {LOWEST} to {HIGHEST}")
        return np.column_stack(columns)

    def _read_referrals(self, X: pd.DataFrame) -> tuple[Floats, Floats]:
        """Return referrals and exposure; both 0 where referrals are not known."""
        referred = _numbers(X[self.referrals], self.referrals, "numbers of referrals")
        known = ~np.isnan(referred)
        wrong = known & ~((referred >= 0) & (np.floor(referred) == referred) & np.isfinite(referred))
        _refuse(X.index[wrong], referred[wrong], f"referrals in {self.referrals!r} must be whole numbers, 0 or more")
        exposure = np.ones(len(X))
        if self.exposure is not None:
            exposure = _numbers(X[self.exposure], self.exposure, "exposure")
            wrong = known & ~((exposure > 0) & np.isfinite(exposure))
            _refuse(X.index[wrong], exposure[wrong], f"exposure in {self.exposure!r} must be positive")
        return np.where(known, referred, 0.0), np.where(known, exposure, 0.0)


def _summaries(answers: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the number of answers; mean and sum of squares, (4, n) each, of answers, promoters, detractors, net."""
    given = ~np.isnan(answers)
    n = given.sum(axis=1).astype(np.float64)
    promoter, detractor = (answers >= PROMOTER).astype(np.float64), (answers <= DETRACTOR).astype(np.float64)
    kinds = np.stack([answers, promoter, detractor, promoter - detractor])
    kinds = np.where(given, kinds, 0.0)
    means = kinds.sum(axis=2) / np.maximum(n, 1.0)
    squares = (np.where(given, kinds - means[:, :, None], 0.0) ** 2).sum(axis=2)
    return n, means, squares


def _segments(column: pd.Series) -> dict[Any, int]:
    """Return the code of each segment, in an order that does not depend on that of the rows."""
    names = sorted(column.dropna().unique().tolist(), key=lambda one: (str(type(one)), one))
    return {name: code for code, name in enumerate(names)}


def _numbers(column: pd.Series, name: Any, what: str) -> Floats:
    if pd.api.types.is_object_dtype(column.dtype) and not column.map(lambda one: isinstance(one, str)).any():
        column = pd.to_numeric(column, errors="coerce") if column.isna().all() else column.infer_objects()
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_complex_dtype(column.dtype):
        raise ColumnError(f"column {name!r} must hold {what}, it is {column.dtype}; pandas.to_numeric converts text.")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _refuse(customers: pd.Index, values: Floats, rule: str) -> None:
    if len(customers):
        raise CustomerTableError(
            f"{rule}; {count(len(customers), 'customer')} with {name_some(np.unique(values).tolist())}: "
            f"{name_some(customers)}."
        )
