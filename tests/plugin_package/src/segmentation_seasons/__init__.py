"""One plug-in of each kind, as a stranger would write them from the documentation."""

import numpy as np

from segmentation import Prioritizer, Scorer, Segmenter


class SeasonSegmenter(Segmenter):
    """Put each customer into the season with the largest part of their orders.

    Parameters
    ----------
    seasons : tuple of str
        Columns with the number of orders per season.
    min_share : float, default=0.4
        Share of a customer's orders that must fall into one season; below it the customer is in none.
    """

    def __init__(self, seasons=("spring", "summer", "autumn", "winter"), *, min_share=0.4):
        self.seasons = seasons  # __init__ only stores; check parameters in _fit
        self.min_share = min_share

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.segmenter_tags.membership = "soft"  # degrees, not only 0 and 1
        tags.segmenter_tags.unassigned = True  # some customers may be in no segment
        tags.segmenter_tags.dataframe_only = True  # named columns ...
        tags.input_tags.two_d_array = False  # ... so no bare arrays
        return tags

    def _required_columns(self):
        return list(self.seasons)

    def _fit(self, X, y):
        if not 0 < self.min_share <= 1:
            raise ValueError(f"min_share must lie in (0, 1], got {self.min_share!r}.")
        return [f"{season} buyers" for season in self.seasons]

    def _membership(self, X):
        orders = X.to_numpy(dtype=float)
        total = orders.sum(axis=1, keepdims=True)
        return np.divide(orders, total, out=np.zeros_like(orders), where=total > 0)

    def _codes(self, X, membership):
        return np.where(membership.max(axis=1) >= self.min_share, membership.argmax(axis=1), -1)


class PaceScorer(Scorer):
    """Score purchases per year, smoothed towards the pace of all customers.

    Columns: number of purchases, then years since the first one.

    Parameters
    ----------
    prior_years : float, default=1.0
        How many years of the average customer are mixed into each.
    """

    def __init__(self, prior_years=1.0):
        self.prior_years = prior_years

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.scorer_tags.unit = "count"
        return tags

    def _fit(self, X, y):
        if not self.prior_years > 0:
            raise ValueError(f"prior_years must be positive, got {self.prior_years!r}.")
        purchases, years = X[:, 0], np.maximum(X[:, -1], 0.0)
        self.average_pace_ = purchases.sum() / max(years.sum(), self.prior_years)
        return ["purchases_per_year"]  # the first name is the primary score

    def _scores(self, X):
        # everything learnt comes from _fit: one customer alone gets the same score as among all
        purchases, years = X[:, 0], np.maximum(X[:, -1], 0.0)
        pace = (purchases + self.prior_years * self.average_pace_) / (years + self.prior_years)
        return pace.reshape(-1, 1)


class HeadroomPrioritizer(Prioritizer):
    """Put the segment first whose customers lie furthest below the best segment, times their number.

    Parameters
    ----------
    by : str, default="clv_mean"
        Column of the profile with the value of one customer.
    min_customers : int, default=100
        Segments below it are excluded.
    """

    def __init__(self, by="clv_mean", *, min_customers=100):
        self.by = by
        self.min_customers = min_customers

    def _exclusions(self, profile):
        small = profile[profile["n_customers"] < self.min_customers]
        return {
            name: f"excluded: {size} customers, fewer than {self.min_customers}"
            for name, size in small["n_customers"].items()
        }

    def _priority_scores(self, profile):
        headroom = profile[self.by].max() - profile[self.by]
        return (headroom * profile["n_customers"]).to_numpy(dtype=float)

    def _reasons(self, profile, scores):
        return [f"{score:,.0f} below the best segment in {self.by}, over all its customers" for score in scores]
