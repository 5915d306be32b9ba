"""What was randomized and how, so that it can be done again and nobody has to believe a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation._format import count, name_some
from segmentation._frames import kind_of
from segmentation.experiments._randomize_draw import HELD_OUT, block_codes, hash_codes, held_out
from segmentation.experiments._randomize_hash import as_salt, digests, exact_shares, fingerprint, fingerprints
from segmentation.experiments._randomize_input import Customers, read_customers

__all__ = ["HOLDOUT", "RandomizationManifest", "draw", "make_manifest"]

FORMAT = "segmentation-randomization"
VERSION = 1
HOLDOUT = "holdout"
METHODS = ("hash", "blocks")


@dataclass(frozen=True)
class RandomizationManifest:
    """Everything a randomization rests on: save it beside the experiment, and replay it when results come in.

    Attributes
    ----------
    arms : dict of str to Fraction
        Exact shares of those who are not held out, in their order.
    salt, method : str
    within : tuple of str
        Columns that form the segments.
    holdout : Fraction
        Share held out, 0 for none.
    holdout_salt : str
    n_customers : int
    strata : dict
        Per segment ``n_customers``, ``counts`` per arm and a ``fingerprint`` of its ids.
    ids_fingerprint : str
    arm_fingerprints : dict of str
        Sum of the hashes of all customers, and of those of each arm. They name nobody and tell whether the customers
        and their arms are the same.

    Examples
    --------
    >>> from segmentation.experiments import RandomizationManifest, randomize
    >>> manifest = randomize(["c1", "c2", "c3"], within=None, salt="spring-mail").manifest
    >>> again = RandomizationManifest.from_dict(manifest.to_dict())
    >>> again.replay(["c3", "c1", "c2"]).to_dict()
    {'c3': 'treated', 'c1': 'control', 'c2': 'control'}
    """

    arms: dict[str, Fraction]
    salt: str
    method: str
    within: tuple[str, ...]
    holdout: Fraction
    holdout_salt: str
    n_customers: int
    strata: dict[str, dict[str, Any]]
    ids_fingerprint: str
    arm_fingerprints: dict[str, str]

    def assign(self, customers: Any, *, customer_id: Any = None) -> pd.Series[Any]:
        """Give any customers their arm, also ones that were not there before (``method="hash"`` only).

        Parameters
        ----------
        customers : dataframe, assignment or list of ids
            With hashing an arm depends on the id alone: no column of segments is needed.
        customer_id : column label, optional

        Returns
        -------
        pandas.Series
            Categorical ``arm`` (the arms, then "holdout" where there is one), indexed by customer.

        Raises
        ------
        ValueError
            With ``method="blocks"``: the counts were fixed for the customers of that day.
        """
        if self.method == "blocks":
            raise ValueError(
                "a block randomization has no arm for customers who come later: its counts were fixed for "
                f"{count(self.n_customers, 'customer')}. Randomize the new ones as a wave of their own (another salt; "
                "analyse with the wave as a block), or use method='hash'. For the same customers, use replay()."
            )
        found = read_customers(customers, (), customer_id)
        return as_arms(draw(self, found, digests(found.texts, self.salt)), self, found.index)

    def replay(self, customers: Any, *, customer_id: Any = None) -> pd.Series[Any]:
        """Give the same customers the same arms again, or refuse because they are not the same.

        Parameters
        ----------
        customers : dataframe, assignment or list of ids
            The customers of the randomization, in any order and kind of table; with blocks also their segments of
            that day.
        customer_id : column label, optional

        Returns
        -------
        pandas.Series
            As from `assign`.

        Raises
        ------
        ValueError
            If the customers (with blocks: or their segments) differ from those of the manifest, or the arms come out
            differently than then; the message says what differs.
        """
        within = self.within if self.method == "blocks" else ()
        found = read_customers(customers, within, customer_id)
        if len(found.texts) != self.n_customers:
            raise ValueError(
                f"these are not the customers of the manifest: {len(found.texts):,} instead of {self.n_customers:,}. "
                + self._remedy()
            )
        digest = digests(found.texts, self.salt)
        if fingerprint(digest) != self.ids_fingerprint:
            raise ValueError(
                f"these are not the customers of the manifest: as many ({self.n_customers:,}), but other ids, such as "
                f"{name_some(found.index[:3])}. " + self._remedy()
            )
        if within:
            self._check_strata(found, digest)
        codes = draw(self, found, digest)
        if arm_fingerprints(digest, codes, self) != self.arm_fingerprints:
            raise ValueError(
                "the customers are those of the manifest, but their arms come out differently: the manifest was "
                "changed by hand, or comes from another version. Do not analyse with these arms; use the list "
                "that was sent."
            )
        return as_arms(codes, self, found.index)

    def _remedy(self) -> str:
        if self.method == "hash":
            return "For other customers, such as new ones, use assign(), which needs no match."
        return "Give exactly the customers of that day."

    def _check_strata(self, found: Customers, digest: NDArray[np.uint8]) -> None:
        now = strata_of(found, digest)
        changed = [
            name
            for name in sorted({*now, *self.strata})
            if now.get(name, {}).get("fingerprint") != self.strata.get(name, {}).get("fingerprint")
        ]
        if changed:
            raise ValueError(
                f"the customers are those of the manifest, but {count(len(changed), 'segment has', 'segments have')} "
                f"other members now: {name_some(changed)}. Blocks were drawn within the segments of that day: give "
                f"these in {name_some(self.within)}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as plain values, with a checksum."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "hash": "sha256(salt + ':' + id), first 13 hexadecimal digits",
            "arms": [{"arm": name, "share": str(share)} for name, share in self.arms.items()],
            "salt": self.salt,
            "method": self.method,
            "within": list(self.within),
            "holdout": {"share": str(self.holdout), "salt": self.holdout_salt},
            "n_customers": self.n_customers,
            "strata": {
                name: {**values, "counts": dict(values["counts"])} for name, values in sorted(self.strata.items())
            },
            "ids_fingerprint": self.ids_fingerprint,
            "arm_fingerprints": dict(self.arm_fingerprints),
        }
        return content | {"checksum": _checksum(content)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RandomizationManifest:
        """Read what `to_dict` returned; refuses what is no manifest, or was changed."""
        if not isinstance(content, Mapping) or content.get("format") != FORMAT:
            raise ValueError(
                f"this is no manifest of a randomization: it must have 'format': {FORMAT!r}, as "
                f"RandomizationManifest.save writes it; got {kind_of(content)}."
            )
        if content.get("version") != VERSION:
            raise ValueError(
                f"the manifest has version {content.get('version')!r}, this release reads {VERSION}: use a release "
                "that knows it, so that nobody changes arms unseen."
            )
        without = {name: value for name, value in content.items() if name != "checksum"}
        if _checksum(without) != content.get("checksum"):
            raise ValueError(
                "the manifest was changed after it was saved: its checksum does not fit. Take the file as it was saved."
            )
        return cls(
            arms={entry["arm"]: Fraction(entry["share"]) for entry in content["arms"]},
            salt=content["salt"],
            method=content["method"],
            within=tuple(content["within"]),
            holdout=Fraction(content["holdout"]["share"]),
            holdout_salt=content["holdout"]["salt"],
            n_customers=content["n_customers"],
            strata={name: dict(values) for name, values in content["strata"].items()},
            ids_fingerprint=content["ids_fingerprint"],
            arm_fingerprints=dict(content["arm_fingerprints"]),
        )

    def save(self, path: str | Path) -> Path:
        """Write the manifest as JSON and return the path."""
        target = Path(path)
        target.write_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return target

    @classmethod
    def load(cls, path: str | Path) -> RandomizationManifest:
        """Read a manifest that `save` wrote."""
        text = Path(path).read_text(encoding="utf-8")
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{str(path)!r} is no manifest of a randomization: it is no JSON ({error}).") from error
        return cls.from_dict(content)

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {float(share):.4g}" for name, share in self.arms.items())
        held = f", {float(self.holdout):.4g} held out by {self.holdout_salt!r}" if self.holdout else ""
        return (
            f"Randomization {self.salt!r} by {self.method} within {', '.join(self.within) or 'nothing'}: "
            f"{count(self.n_customers, 'customer')}, {shares}{held}"
        )

    __repr__ = __str__


def _checksum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def draw(manifest: RandomizationManifest, found: Customers, digest: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the position of each customer's arm, `HELD_OUT` for those held out."""
    shares = list(manifest.arms.values())
    out = held_out(found.texts, manifest.holdout, manifest.holdout_salt)
    codes = np.full(len(digest), HELD_OUT, dtype=np.intp)
    if manifest.method == "hash":
        codes[~out] = hash_codes(digest[~out], shares)
    else:
        codes[~out] = block_codes(digest[~out], found.codes[~out], found.strata, shares, manifest.salt)
    return codes


def as_arms(codes: NDArray[np.intp], manifest: RandomizationManifest, index: pd.Index) -> pd.Series[Any]:
    """Name the arms."""
    names = [*manifest.arms, *([HOLDOUT] if manifest.holdout else [])]
    places = np.where(codes == HELD_OUT, len(manifest.arms), codes)
    values = pd.Categorical.from_codes(places, categories=pd.Index(names, dtype=object))
    return pd.Series(values, index=index, name="arm")


def arm_fingerprints(
    digest: NDArray[np.uint8], codes: NDArray[np.intp], manifest: RandomizationManifest
) -> dict[str, str]:
    """Return the fingerprint of who is in each arm, and in the hold-out."""
    names = [*manifest.arms, HOLDOUT]
    places = np.where(codes == HELD_OUT, len(manifest.arms), codes)
    return dict(zip(names, fingerprints(digest, places, len(names)), strict=True))


def strata_of(found: Customers, digest: NDArray[np.uint8]) -> dict[str, dict[str, Any]]:
    """Return size and fingerprint of each stratum."""
    sizes = np.bincount(found.codes, minlength=len(found.strata)).tolist()
    prints = fingerprints(digest, found.codes, len(found.strata))
    return {
        name: {"n_customers": size, "fingerprint": text}
        for name, size, text in zip(found.strata, sizes, prints, strict=True)
    }


def make_manifest(
    found: Customers,
    *,
    arms: Any,
    salt: Any,
    method: Any,
    within: tuple[str, ...],
    holdout: Fraction,
    holdout_salt: Any,
) -> tuple[RandomizationManifest, NDArray[np.intp]]:
    """Check the settings, draw, and return the manifest with the arms as positions."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {name_some(METHODS)}, got {method!r}.")
    if not 0 <= holdout < 1:
        raise ValueError(f"holdout must be a share from 0 to below 1, got {float(holdout):g}.")
    shares = exact_shares(arms, reserved=HOLDOUT)
    if len(shares) > 200:
        raise ValueError(f"at most 200 arms, got {len(shares)}.")
    salt, holdout_salt = as_salt(salt), as_salt(holdout_salt, "holdout_salt")
    if salt == holdout_salt:
        raise ValueError(
            f"salt and holdout_salt are both {salt!r}: those held out would then all come from one arm. Give the "
            "experiment a name of its own."
        )
    digest = digests(found.texts, salt)
    strata = strata_of(found, digest)
    undrawn = RandomizationManifest(
        shares, salt, method, within, holdout, holdout_salt, len(found.texts), strata, fingerprint(digest), {}
    )
    codes = draw(undrawn, found, digest)
    names = [*shares, HOLDOUT]
    places = np.where(codes == HELD_OUT, len(shares), codes)
    counts = np.zeros((len(found.strata), len(names)), dtype=np.int64)
    np.add.at(counts, (found.codes, places), 1)
    for values, row in zip(strata.values(), counts, strict=True):
        values["counts"] = dict(zip(names, row.tolist(), strict=True))
        if not holdout:
            del values["counts"][HOLDOUT]
    return replace(undrawn, arm_fingerprints=arm_fingerprints(digest, codes, undrawn)), codes
