"""Counts, means and centred cross products of groups: what estimates need of the rows, and how they add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments", "moments_of"]

Floats = NDArray[np.float64]
EPSILON = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of up to k variables in many groups.

    Parameters
    ----------
    n : array (..., )
        Rows of each group.
    mean : array (..., k)
        Less `origin`; zero where a group has no row.
    cross : array (..., k, k)
        Sums of products of deviations from the mean of the group; the diagonal holds the sums of squares.
    origin : array (k,)
        What was taken from the values of every group alike: differences of means near 1e9 keep their digits.
    """

    n: Floats
    mean: Floats
    cross: Floats
    origin: Floats

    def rebased(self, origin: Floats) -> Moments:
        """Return the same moments around another origin."""
        mean = np.where(self.n[..., None] > 0, self.mean + (self.origin - origin), 0.0)
        return Moments(self.n, mean, self.cross, origin)

    def joined(self, other: Moments) -> Moments:
        """Append the groups of another."""
        far = other.rebased(self.origin)
        return Moments(
            np.concatenate([self.n, far.n]), np.concatenate([self.mean, far.mean]),
            np.concatenate([self.cross, far.cross]), self.origin,
        )  # fmt: skip

    def grouped(self, codes: NDArray[np.int64], size: int) -> Moments:
        """Put groups together: entry i goes to group ``codes[i]`` of `size`.

        Deviations are moved to the common mean by the formula of Chan, Golub and LeVeque (1983,
        doi:10.1080/00031305.1983.10483115), so nothing is lost where means are large beside the spread.
        """
        k = self.mean.shape[-1]
        n: Floats = np.bincount(codes, self.n, size).astype(float)
        mean = np.zeros((size, k))
        np.add.at(mean, codes, self.n[:, None] * self.mean)
        mean = np.divide(mean, n[:, None], out=np.zeros_like(mean), where=n[:, None] > 0)
        # a second step takes out the rounding of the first, which matters where the mean is large
        rest = np.zeros((size, k))
        np.add.at(rest, codes, self.n[:, None] * (self.mean - mean[codes]))
        mean += np.divide(rest, n[:, None], out=np.zeros_like(rest), where=n[:, None] > 0)
        apart = self.mean - mean[codes]
        cross = np.zeros((size, k, k))
        np.add.at(cross, codes, self.cross + self.n[:, None, None] * apart[:, :, None] * apart[:, None, :])
        return Moments(n, mean, cross, self.origin)

    def pooled(self, axis: int) -> Moments:
        """Put the groups along one axis together."""
        axis %= self.n.ndim
        n = self.n.sum(axis=axis)
        weights = self.n[..., None]
        total = np.expand_dims(n, axis)[..., None]
        mean = np.divide(
            (weights * self.mean).sum(axis=axis, keepdims=True),
            total,
            out=np.zeros_like(np.take(self.mean, [0], axis=axis)),
            where=total > 0,
        )
        apart = self.mean - mean
        cross = (self.cross + weights[..., None] * apart[..., :, None] * apart[..., None, :]).sum(axis=axis)
        return Moments(n, np.squeeze(mean, axis=axis), cross, self.origin)

    def chosen(self, where: NDArray[np.bool_]) -> Moments:
        """Return the groups (of the first axis) where `where` is true."""
        return Moments(self.n[where], self.mean[where], self.cross[where], self.origin)


def moments_of(n: Floats, sums: Floats, products: Floats, shift: Floats, origin: Floats) -> tuple[Moments, float]:
    """Make moments from sums of values from which `shift` was taken.

    Parameters
    ----------
    n : array (c,)
    sums : array (c, k)
        Sums of value - shift.
    products : array (c, k, k)
        Sums of products of them.
    shift : array (c, k)
    origin : array (k,)

    Returns
    -------
    (Moments, float)
        Also how many times larger rounding is, beside the spread, than it would be for centred values.

    Examples
    --------
    >>> import numpy as np
    >>> made, _ = moments_of(np.array([2.0]), np.array([[3.0]]), np.array([[[5.0]]]), np.array([[10.0]]), np.zeros(1))
    >>> made.mean.item(), made.cross.item()  # the values 11 and 12
    (11.5, 0.5)
    """
    some = n[:, None] > 0
    centre = np.divide(sums, n[:, None], out=np.zeros_like(sums), where=some)
    cross = products - n[:, None, None] * centre[:, :, None] * centre[:, None, :]
    squares = np.einsum("ckk->ck", products)
    spread = np.einsum("ckk->ck", cross)
    mean = np.where(some, centre + (shift - origin), 0.0)
    moved = n[:, None] * centre**2
    # sums of whole numbers have no rounding as long as they are below 2^53: all converted, none converted
    whole = (sums == np.floor(sums)) & (squares == np.floor(squares)) & (squares < 2.0**53)
    with np.errstate(over="ignore"):
        rounding = n[:, None] * (4 * EPSILON * np.abs(centre + shift)) ** 2
    floor = np.maximum(4 * EPSILON * np.maximum(squares, 0), rounding)
    # all values equal: what is left is rounding, and a spread that is not there must be exactly none
    none = spread <= floor
    size = np.where(spread > 0, spread, 1.0)
    loss = np.where(whole | (moved <= floor), 0.0, np.where(none, np.inf, moved / size))
    cross = np.where(none[:, :, None] | none[:, None, :], 0.0, cross)
    return Moments(n, mean, cross, origin), float(np.nan_to_num(np.max(loss, initial=0.0), nan=0.0))
