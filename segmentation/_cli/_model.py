"""How customers are placed, as figures that can be written down and read again; nothing of it is code."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd

from segmentation.segmenters import KMeansSegmenter
from segmentation.segmenters._scaling import undo_scaling

__all__ = ["fingerprint", "model_of", "record_of"]

KIND = "k-means"
PARAMETERS = ("n_clusters", "scale", "membership", "n_init", "max_iter", "random_state")
TREATMENTS = ("log1p", "asinh", "standard", "binary", "constant", "none")
FIGURES = ("unit", "center", "width", "skewness")
MOST = 100_000


def record_of(model: KMeansSegmenter) -> dict[str, Any]:
    """Return what a fitted segmenter needs to place customers, as plain values."""
    return {
        "kind": KIND,
        "parameters": {name: getattr(model, name) for name in PARAMETERS},
        "features": [str(name) for name in model.scaling_.index],
        "segments": [str(name) for name in model.segments_],
        "scaling": [
            {"treatment": str(row["treatment"]), **{name: float(row[name]) for name in FIGURES}}
            for row in model.scaling_.to_dict("records")
        ],
        "scaled_centers": [[float(value) for value in center] for center in model.scaled_centers_],
    }


def fingerprint(record: Any) -> str:
    """Return the SHA-256 of a record, in hexadecimal: equal definitions have equal ones."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode("utf-8")).hexdigest()


def model_of(record: Any) -> KMeansSegmenter:
    """Make the segmenter of a record again; it places customers as the one before did.

    Raises
    ------
    ValueError
        If the record is none of k-means, or is damaged.
    """
    try:
        return _rebuilt(record)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the model is damaged: {type(error).__name__} {error}") from error


def _rebuilt(record: Any) -> KMeansSegmenter:
    if record["kind"] != KIND:
        raise ValueError(f"the model is of a kind that this version does not know: {record['kind']!r}")
    features, segments = _names(record["features"]), _names(record["segments"])
    parameters = {name: record["parameters"][name] for name in PARAMETERS}
    if parameters["scale"] not in ("auto", "standard", None) or parameters["membership"] not in ("fuzzy", "hard"):
        raise ValueError("the model is damaged: its parameters are unknown")
    for name in ("n_clusters", "n_init", "max_iter", "random_state"):
        if isinstance(parameters[name], bool) or not isinstance(parameters[name], int):
            raise ValueError(f"the model is damaged: {name} is no whole number")
    scaling = pd.DataFrame(
        [[one["treatment"], *(float(one[name]) for name in FIGURES)] for one in record["scaling"]],
        index=pd.Index(features, name="feature"),
        columns=["treatment", *FIGURES],
    )
    centers = np.array(record["scaled_centers"], dtype=np.float64)
    figures = scaling[["unit", "center", "width"]].to_numpy(dtype=np.float64)
    if (
        centers.shape != (len(segments), len(features))
        or not np.isfinite(centers).all()
        or not np.isfinite(figures).all()
        or not scaling["treatment"].isin(TREATMENTS).all()
    ):
        raise ValueError("the model is damaged: its centres and scaling do not fit each other")
    model = KMeansSegmenter(**parameters)
    model.scaling_ = scaling
    model.scaled_centers_ = centers
    model.cluster_centers_ = undo_scaling(centers, scaling)
    model.centers_ = pd.DataFrame(
        model.cluster_centers_, index=pd.Index(segments, name="segment"), columns=list(features)
    )
    model.segments_ = np.array(segments, dtype=object)
    model.feature_names_in_ = np.array(features, dtype=object)
    model.n_features_in_ = len(features)
    return model


def _names(values: Any) -> list[str]:
    if (
        not isinstance(values, list)
        or not 0 < len(values) <= MOST
        or not all(isinstance(value, str) and value for value in values)
        or len(set(values)) < len(values)
    ):
        raise ValueError("the model is damaged: names are missing or stand twice")
    return values
