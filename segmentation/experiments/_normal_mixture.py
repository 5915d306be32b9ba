"""Mixtures of normal distributions with common weights: what a posterior is after a parameter is integrated out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from segmentation.experiments._moments import Floats

__all__ = ["NormalMixture"]

ROOT = np.sqrt(2 * np.pi)


@dataclass(frozen=True, eq=False)
class NormalMixture:
    """k mixtures of j normals.

    Parameters
    ----------
    weight : array (j,)
        They add to 1.
    mean, sd : array (j, k)
    """

    weight: Floats
    mean: Floats
    sd: Floats

    def expectation(self) -> Floats:
        """Return the means (k,)."""
        return np.asarray(self.weight @ self.mean)

    def deviation(self) -> Floats:
        """Return the standard deviations (k,)."""
        centre = self.expectation()
        return np.sqrt(self.weight @ (self.sd**2 + (self.mean - centre) ** 2))

    def cdf(self, x: Floats | float) -> Floats:
        """Return the probability of at most x, one x per mixture (k,)."""
        return np.asarray(self.weight @ special.ndtr((x - self.mean) / self.sd))

    def positive_part(self) -> Floats:
        """Return the mean of max(value, 0) (k,)."""
        z = self.mean / self.sd
        return np.asarray(self.weight @ (self.mean * special.ndtr(z) + self.sd * np.exp(-0.5 * z**2) / ROOT))

    def moved(self, factor: Floats | float, shift: Floats | float) -> NormalMixture:
        """Return the distribution of factor * value + shift; factors above 0 or below, not 0."""
        return NormalMixture(self.weight, factor * self.mean + shift, np.abs(factor) * self.sd)

    def quantile(self, p: float) -> Floats:
        """Return the quantiles (k,), by Newton steps held inside a bracket.

        Examples
        --------
        >>> import numpy as np
        >>> both = NormalMixture(np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), np.array([[1e-3], [1e-3]]))
        >>> both.quantile(0.75).round(3).item()
        1.0
        """
        z = special.ndtri(p)
        ends = self.mean + z * self.sd
        low, high = ends.min(axis=0), ends.max(axis=0)
        x = np.clip(self.expectation() + z * self.deviation(), low, high)
        scale = self.deviation()
        for _ in range(200):
            at = (x - self.mean) / self.sd
            excess = self.weight @ special.ndtr(at) - p
            low, high = np.where(excess < 0, x, low), np.where(excess >= 0, x, high)
            density = self.weight @ (np.exp(-0.5 * at**2) / self.sd) / ROOT
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                step = x - excess / density
            inside = np.isfinite(step) & (step > low) & (step < high)
            new = np.where(inside, step, 0.5 * (low + high))
            done = np.abs(new - x) <= 1e-11 * scale
            x = new
            if done.all():
                break
        return np.asarray(x)
