"""What the literature prints: figures as they are printed, and where."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

__all__ = ["PUBLISHED", "SOURCES", "Group", "Value"]

Rule = Literal["likelihood", "parameter", "digits", "tenth"]

# Log-likelihoods are sums over customers, and nobody's optimiser stops further from the maximum than this.
LIKELIHOOD = 0.01
# Parameters of an equally good fit may differ where the likelihood is flat.
PARAMETER = 0.005

SOURCES = {
    "fader_2005": "Fader, Hardie, Lee (2005), Marketing Science 24(2), doi:10.1287/mksc.1040.0098",
    "bgnbd_excel": "Fader, Hardie, Lee (2005), Implementing the BG/NBD Model in Excel, brucehardie.com/notes/004",
    "bgnbd_overflow": "Hardie, Overcoming the BG/NBD Model's #NUM! Error Problem, brucehardie.com/notes/027",
    "clvtools": "R package CLVTools, its tests, github.com/bachmannpatrick/CLVTools",
    "mbg": "R package BTYDplus, github.com/mplatzer/BTYDplus; model: doi:10.1016/j.ijresmar.2006.12.005",
    "mbg_calc": "recomputation; model: Batislam, Denizel, Filiztekin (2007), doi:10.1016/j.ijresmar.2006.12.005",
    "cnbd_calc": "recomputation; model: Platzer, Reutterer (2016), doi:10.1287/mksc.2015.0963",
    "cnbd": "Platzer, Reutterer (2016), Marketing Science 35(5), doi:10.1287/mksc.2015.0963",
    "gamma_gamma": "Fader, Hardie (2013), The Gamma-Gamma Model of Monetary Value, brucehardie.com/notes/025",
    "lifetimes": "Python package lifetimes, its tests, github.com/CamDavidsonPilon/lifetimes",
    "bgbb": "Fader, Hardie, Shang (2010), Marketing Science 29(6), doi:10.1287/mksc.1100.0580",
    "sbg_calc": "recomputation; data: Fader, Hardie (2007), doi:10.1002/dir.20074",
    "weeks": "recomputation; purchases of a calendar week count as one",
    "holdout": "recomputation; model and data: Fader, Hardie, Lee (2005), doi:10.1287/mksc.1040.0098",
}
"""Sources by short name."""


@dataclass(frozen=True)
class Value:
    """One published figure.

    Attributes
    ----------
    name : str
        What it is, unique in its group.
    printed : str
        As it is printed.
    source : str
        Key of `SOURCES`.
    rule : str
        How near the recomputed figure must come: "likelihood" 0.01, "parameter" 0.5 %, "digits" half a unit of the
        last printed digit, "tenth" 0.1.
    """

    name: str
    printed: str
    source: str
    rule: Rule = "digits"

    @property
    def published(self) -> float:
        """The figure."""
        return float(self.printed)

    @property
    def tolerance(self) -> float:
        """Largest difference that passes."""
        if self.rule == "likelihood":
            return LIKELIHOOD
        if self.rule == "parameter":
            return PARAMETER * abs(self.published)
        if self.rule == "tenth":
            return 0.1
        return 0.5 * float(Decimal(1).scaleb(int(Decimal(self.printed).as_tuple().exponent)))


@dataclass(frozen=True)
class Group:
    """Published figures that are recomputed together."""

    title: str
    key: str
    figures: tuple[Value, ...]


def _parameters(source: str, **printed: str) -> tuple[Value, ...]:
    return tuple(Value(name, text, source, "parameter") for name, text in printed.items())


def _likelihood(printed: str, source: str, name: str = "log-likelihood") -> Value:
    return Value(name, printed, source, "likelihood")


SPEND_POINTS = (
    ("2 purchases of 22.35", "24.65"),
    ("1 purchase of 11.77", "18.91"),
    ("no repeat purchase", "35.17"),
    ("7 purchases of 73.74", "71.46"),
    ("2 purchases of 25.55", "27.28"),
)

PUBLISHED = (
    Group(
        "CDNOW, 39 weeks to 1997-09-30, and 39 more",
        "counts",
        (
            Value("customers", "2357", "fader_2005"),
            Value("repeat purchases, by day", "2457", "fader_2005"),
            Value("repeat purchases, by calendar week", "2248", "weeks"),
            Value("repeat purchases in the holdout", "1882", "fader_2005"),
            Value("repeat buyers", "946", "gamma_gamma"),
        ),
    ),
    Group(
        "BG/NBD on CDNOW, weeks",
        "bg_nbd",
        (
            *_parameters("fader_2005", r="0.2426", alpha="4.4136", a="0.7929", b="2.4259"),
            _likelihood("-9582.429", "fader_2005"),
            Value("purchases of a new customer in 1 day", "0.0078", "bgnbd_excel"),
            Value("purchases of a new customer in 1 week", "0.0532", "bgnbd_excel"),
            Value("purchases of a new customer in 3 weeks", "0.1506", "bgnbd_excel"),
            Value("in 39 weeks if x=2, t_x=30.43, T=38.86", "1.226", "bgnbd_excel"),
            Value("purchases of all in the holdout", "1653", "holdout"),
        ),
    ),
    Group(
        "BG/NBD with r=.25, alpha=4, a=.8, b=2.5",
        "bg_nbd_points",
        (
            Value("ln L of x=0, T=40", "-0.59947", "bgnbd_overflow"),
            Value("ln L of x=200, t_x=38, T=40", "100.7957", "bgnbd_overflow"),
        ),
    ),
    Group(
        "Pareto/NBD on CDNOW, weeks",
        "pareto_nbd",
        (
            *_parameters("fader_2005", r="0.5533", alpha="10.578", s="0.6062", beta="11.669"),
            _likelihood("-9594.976", "clvtools"),
        ),
    ),
    Group(
        "Pareto/NBD, heavy buyers",
        "heavy_buyers",
        (
            Value("finite P(alive) of 4 heavy buyers", "4", "clvtools"),
            Value("finite ln L of them", "4", "clvtools"),
            Value("finite expected purchases of them", "4", "clvtools"),
            Value("purchases in 10 if x=132, t_x=T=200", "6.2061", "lifetimes"),
            Value("purchases in 10 if x=133, t_x=T=200", "6.2529", "lifetimes"),
        ),
    ),
    Group(
        "MBG/NBD on CDNOW, weeks",
        "mbg_nbd",
        (
            *_parameters("mbg", r="0.525", alpha="6.183", a="0.891", b="1.614"),
            _likelihood("-9582.136", "mbg_calc"),
        ),
    ),
    Group(
        "MBG/CNBD-k on CDNOW, weeks",
        "mbg_cnbd",
        (
            Value("k that is chosen", "1", "cnbd"),
            _likelihood("-9582.136", "cnbd_calc", "log-likelihood, k=1"),
            _likelihood("-9853.25", "cnbd_calc", "log-likelihood, k=2"),
            _likelihood("-10394.36", "cnbd_calc", "log-likelihood, k=3"),
        ),
    ),
    Group(
        "Gamma-Gamma on CDNOW",
        "gamma_gamma",
        (
            *_parameters("gamma_gamma", p="6.25", q="3.74", v="15.44"),
            _likelihood("-4055.92", "gamma_gamma"),
            *(Value(f"mean spend after {name}", text, "gamma_gamma", "tenth") for name, text in SPEND_POINTS),
        ),
    ),
    Group(
        "BG/BB on donations, 6 years",
        "bg_bb",
        (
            Value("donors", "11104", "bgbb"),
            *_parameters("bgbb", alpha="1.2035", beta="0.7497", gamma="0.6567", delta="2.7834"),
            _likelihood("-33225.58", "bgbb"),
            Value("P(alive in year 7) if x=0", "0.11", "bgbb"),
            Value("P(alive in year 7) if x=2, t_x=4", "0.59", "bgbb"),
            Value("P(alive in year 7) if x=6, t_x=6", "0.93", "bgbb"),
        ),
    ),
    Group("sBG on contracts, regular", "sbg_regular", _parameters("sbg_calc", alpha="0.7041", beta="1.1820")),
    Group("sBG on contracts, high end", "sbg_high_end", _parameters("sbg_calc", alpha="0.6681", beta="3.8061")),
)
"""All figures, in the order in which they are shown."""
