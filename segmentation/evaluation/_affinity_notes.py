"""What a reader of affinities must know: what was left out, and what the figures rest on."""

from __future__ import annotations

from typing import Any

import pandas as pd

from segmentation._format import count, name_some

__all__ = ["left_out_notes", "more_of_everything"]

# Customers of a segment buy so many times the categories of the rest: then they buy more of nearly everything.
MORE_OF_ALL = 1.5


def left_out_notes(settings: dict[str, Any]) -> list[str]:
    """Say what was left out, and what the figures rest on."""
    left_out = {
        "n_missing_customer": "row without a customer id",
        "n_missing_category": "row without a category",
        "n_bad_amount": "row without a finite amount",
        "n_refunds": "refund",
        "n_lines_without_assignment": "row of customers who are not in the assignment",
    }
    found = []
    for name, words in left_out.items():
        if n := settings.get(name, 0):
            head, *tail = words.split(" ", 1)
            found.append(" ".join([count(n, head), *tail]))
    notes = [f"Left out of orders: {'; '.join(found)}."] if found else []
    if n := settings["n_without_orders"]:
        notes.append(f"{count(n, 'customer')} of the assignment without a purchase that counts, in no share.")
    if n := settings.get("n_spent_nothing", 0):
        notes.append(f"{count(n, 'customer')} who spent nothing, in no share.")
    if n := settings["n_unassigned"]:
        notes.append(f"{count(n, 'customer')} unassigned: part of the rest of every segment.")
    if n := settings["n_rare_categories"]:
        rare = count(n, "category", "categories")
        notes.append(f"{rare} bought by fewer than {settings['min_customers']} customers, not compared.")
    if n := settings["n_suppressed"]:
        rows = count(n, "comparison")
        notes.append(f"{rows} with fewer than {settings['min_customers']} buyers in the segment, tested and not shown.")
    if names := settings["segments_left_out"]:
        notes.append(f"Too few customers inside or outside to compare: {name_some(names)}.")
    notes.append(
        "Holds for segments that were not formed from these purchases; such ones differ in them by construction."
    )
    return notes


def more_of_everything(segments: pd.DataFrame, measure: str) -> list[str]:
    """Warn where a segment buys far more categories than the rest."""
    if measure != "customers":
        return []
    ratio = segments["categories_per_customer"] / segments["categories_per_customer_rest"]
    wide = segments[ratio >= MORE_OF_ALL]
    return [
        f"Customers of {row['segment']!r} buy {row['categories_per_customer']:.1f} categories, those of the rest "
        f"{row['categories_per_customer_rest']:.1f}: they buy more of nearly everything. measure='lines' compares what "
        "they choose."
        for _, row in wide.iterrows()
    ]
