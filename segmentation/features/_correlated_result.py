"""What `correlated_groups` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segmentation._format import count
from segmentation._plotting import axes_or_new
from segmentation._results import Result

__all__ = ["CorrelatedGroups"]


@dataclass(frozen=True, repr=False)
class CorrelatedGroups(Result):
    """Which features belong together, and which one stands for each group.

    Attributes
    ----------
    table : pandas.DataFrame
        Index ``feature``, groups from the largest and their members from the representative; ``group`` (number, 1 is
        the largest), ``size``, ``representative`` (the feature that stands for the group; a single one for itself),
        ``association`` (with the representative, 0 to 1), ``kind`` (how it was compared: "ranked" or
        "nominal"; "empty" and "text" were not) and
        ``n_missing``.
    association : pandas.DataFrame
        Association of every pair of features, 0 to 1, in the order of the table.
    settings : dict
        ``threshold``, ``linkage``, ``rule``, ``n_customers``, ``n_used`` (compared; fewer in a large table).
    warnings : tuple of str
        Columns that could not be compared, and pairs that chance explains.
    """

    table: pd.DataFrame
    association: pd.DataFrame
    settings: Mapping[str, Any]
    warnings: tuple[str, ...]

    @property
    def groups(self) -> dict[Any, list[Any]]:
        """Members of every group of two or more, under their representative, which comes first."""
        together = self.table[self.table["size"] > 1]
        return {name: list(rows.index) for name, rows in together.groupby("representative", sort=False)}

    @property
    def representatives(self) -> list[Any]:
        """The features to keep: one per group and every single one, in the order of the input."""
        kept = self.table.index[self.table.index == self.table["representative"]]
        order = {name: i for i, name in enumerate(self.settings["features"])}
        return sorted(kept, key=lambda name: order[name])

    @property
    def singletons(self) -> list[Any]:
        """The features that are in no group."""
        return list(self.table.index[self.table["size"] == 1])

    def _facts(self) -> dict[str, Any]:
        return {
            "groups": {str(name): [str(member) for member in members] for name, members in self.groups.items()},
            "singletons": [str(name) for name in self.singletons],
            "settings": {**self.settings, "features": [str(name) for name in self.settings["features"]]},
            "warnings": self.warnings,
        }

    def _headline(self) -> str:
        n = len(self.table)
        return (
            f"{count(n, 'feature')}: {count(len(self.groups), 'group')} of two or more, "
            f"{len(self.singletons)} alone; {len(self.representatives)} would stand for all "
            f"(threshold {self.settings['threshold']:g}, {self.settings['linkage']} linkage, "
            f"{count(self.settings['n_used'], 'customer')})"
        )

    def __str__(self) -> str:
        lines = [self._headline()]
        groups: Any = self.groups
        strength: Any = self.table["association"]
        for representative, members in groups.items():
            others = [f"{name} ({strength[name]:.2f})" for name in members if name != representative]
            lines.append(f"  {representative}: stands for {', '.join(others)}")
        return "\n".join([*lines, *(f"Note: {text}" for text in self.warnings)])

    def _opening(self) -> tuple[str, ...]:
        return (self._headline(),)

    def plot(self, ax: Any = None, *, max_features: int = 40) -> Any:
        """Draw the associations as a map, groups framed.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        max_features : int, default=40
            The first so many features of the table are drawn; the title says where more are left out.

        Returns
        -------
        matplotlib Axes
        """
        shown = list(self.table.index[:max_features])
        n = len(shown)
        ax = axes_or_new(ax, 3.0 + 0.28 * n, 1.6 + 0.28 * n)
        matrix = self.association.loc[shown, shown].to_numpy()
        image = ax.imshow(matrix, vmin=0.0, vmax=1.0, cmap="Blues")
        ax.set_xticks(range(n), [str(name) for name in shown], rotation=90, fontsize=8)
        ax.set_yticks(range(n), [str(name) for name in shown], fontsize=8)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        for start, size in _runs(self.table.loc[shown, "group"].to_list()):
            if size > 1:
                corner = (start - 0.5, start - 0.5)
                ax.add_patch(_frame(corner, size))
        left_out = f"; {len(self.table) - n} more not drawn" if len(self.table) > n else ""
        ax.set_title(f"Association of features, groups framed{left_out}", loc="left", fontsize=11)
        ax.figure.colorbar(image, ax=ax, label="association", shrink=0.7)
        return ax


def _frame(corner: tuple[float, float], size: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, size, size, fill=False, edgecolor="#D55E00", linewidth=1.8)


def _runs(values: list[Any]) -> list[tuple[int, int]]:
    """Return start and length of every run of equal values."""
    starts = [i for i, value in enumerate(values) if i == 0 or value != values[i - 1]]
    return [(start, end - start) for start, end in zip(starts, [*starts[1:], len(values)], strict=True)]
