"""The CDNOW sample, read from the files of the installed `lifetimes` distribution."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd

__all__ = ["load_cdnow"]


def load_cdnow() -> pd.DataFrame:
    """Load the CDNOW sample: every purchase of 2,357 real customers of an online music shop.

    The customers are a 1-in-10 sample of all who bought at CDNOW for the first time in the first quarter of
    1997; their purchases are recorded until 1998-06-30. It is the data set on which the probability models of
    customer value are usually compared [1]_.

    Returns
    -------
    pandas.DataFrame of shape (6919, 4)
        One row per purchase, the rows of a customer together and in order of time:

        * ``customer_id`` (int64): the customer's number in the whole cohort of 23,570;
        * ``timestamp`` (datetime64[ns]): the day of the purchase, 1997-01-01 to 1998-06-30;
        * ``quantity`` (int64): CDs bought;
        * ``amount`` (float64): US dollars paid; 8 purchases cost nothing.

    Raises
    ------
    FileNotFoundError
        If the installed `lifetimes` distribution does not carry the file.

    Notes
    -----
    The file stands in the `lifetimes` distribution, a dependency of this library. It is read without importing
    that package, because importing it changes a global option of pandas.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S., Lee, K. L. (2005), "'Counting Your Customers' the Easy Way: An
       Alternative to the Pareto/NBD Model", Marketing Science 24(2), 275-284,
       https://doi.org/10.1287/mksc.1040.0098

    Examples
    --------
    >>> from segmentation.datasets import load_cdnow
    >>> orders = load_cdnow()
    >>> orders.shape
    (6919, 4)
    >>> orders["customer_id"].nunique()
    2357
    >>> orders.head(3)
       customer_id  timestamp  quantity  amount
    0            4 1997-01-01         2   29.33
    1            4 1997-01-18         2   29.73
    2            4 1997-08-02         1   14.96
    """
    orders = pd.read_csv(
        _cdnow_file(),
        sep=r"\s+",
        header=None,
        names=["customer_id", "sample_id", "timestamp", "quantity", "amount"],
        dtype={"customer_id": "int64", "timestamp": "str", "quantity": "int64", "amount": "float64"},
    ).drop(columns="sample_id")
    # The unit is fixed because it would otherwise depend on the version of pandas.
    orders["timestamp"] = pd.to_datetime(orders["timestamp"], format="%Y%m%d").astype("datetime64[ns]")
    return orders


def _cdnow_file() -> Path:
    # find_spec runs no code of a top-level package; importlib.resources would import it.
    spec = importlib.util.find_spec("lifetimes")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "datasets" / "CDNOW_sample.txt"
        if path.is_file():
            return path
    raise FileNotFoundError(
        "the CDNOW sample is read from the file datasets/CDNOW_sample.txt of the installed lifetimes "
        "distribution, and it is not there. Reinstall it: pip install --force-reinstall lifetimes"
    )
