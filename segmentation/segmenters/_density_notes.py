"""What must be said beside a result of density clustering, in plain sentences."""

from __future__ import annotations

from dataclasses import dataclass

from segmentation._format import count, percent
from segmentation.segmenters._density_package import DensitySettings

__all__ = ["DensityFigures", "problems_of", "remarks_on"]

MOST_UNASSIGNED = 0.5
MANY_REPEATED = 0.2

ADVICE = (
    "What to try: scale scores (the mean of the items of one scale) instead of single items, and then at most five "
    "dimensions; latent classes or k-means where customers form no dense groups and are to be divided all the same. "
    "density_path shows other settings."
)


@dataclass(frozen=True)
class DensityFigures:
    """What the sentences are about."""

    n_customers: int
    n_fit_customers: int
    n_segments: int
    n_unassigned: int
    n_repeated: int
    n_relabelled: int
    noise: str
    settings: DensitySettings


def problems_of(figures: DensityFigures) -> list[str]:
    """Return what makes the segments doubtful, then what to try; nothing where nothing does."""
    n = figures.n_customers
    used = (
        f"(min_cluster_size={figures.settings.min_cluster_size}, min_samples={figures.settings.min_samples}, "
        f"cluster_selection_method={figures.settings.cluster_selection_method!r})"
    )
    problems = []
    if not figures.n_segments:
        problems.append(f"No segment was found: none of {count(n, 'customer')} is in a dense group {used}.")
        if figures.n_fit_customers < 2 * figures.settings.min_cluster_size:
            problems.append(
                f"There cannot be one: two groups of {figures.settings.min_cluster_size:,} take at least "
                f"{2 * figures.settings.min_cluster_size:,} customers, and {figures.n_fit_customers:,} were learnt "
                "from. Lower min_cluster_size."
            )
        if figures.noise != "keep":
            problems.append(f"All are unassigned, also with noise={figures.noise!r}: there is no segment to go to.")
    else:
        if figures.n_segments == 1:
            problems.append(f"Only one segment was found {used}.")
        if figures.n_unassigned > MOST_UNASSIGNED * n:
            problems.append(
                f"{figures.n_unassigned:,} of {count(n, 'customer')} ({percent(figures.n_unassigned / n)}) are in "
                f"none of the {count(figures.n_segments, 'dense group')} {used}."
            )
    if figures.n_repeated > MANY_REPEATED * n:
        problems.append(
            f"{figures.n_repeated:,} of {count(n, 'customer')} ({percent(figures.n_repeated / n)}) repeat the values "
            "of another: a dense group may be no more than a frequent pattern of answers, and with so many equal "
            "distances the groups depend on the order of the rows (max_fit_customers gives them one of their own)."
        )
    return [*problems, ADVICE] if problems else []


def remarks_on(figures: DensityFigures) -> list[str]:
    """Return what was done to customers, where anything was."""
    remarks = []
    if figures.n_fit_customers < figures.n_customers:
        remarks.append(
            f"Segments were learnt from a sample of {figures.n_fit_customers:,} of "
            f"{count(figures.n_customers, 'customer')}; the others were assigned to them."
        )
    if figures.n_relabelled:
        remarks.append(
            f"{count(figures.n_relabelled, 'customer was', 'customers were')} given another label than HDBSCAN's own, "
            "so that customers with the same values share a segment."
        )
    if figures.n_segments and figures.n_unassigned:
        treatment = {
            "keep": "stay unassigned",
            "nearest": "were put into the nearest segment",
            "soft": "were put into the segment of their largest degree",
        }[figures.noise]
        remarks.append(
            f"{figures.n_unassigned:,} of {count(figures.n_customers, 'customer')} "
            f"({percent(figures.n_unassigned / figures.n_customers)}) are in no dense group and {treatment} "
            f"(noise={figures.noise!r})."
        )
    return remarks
