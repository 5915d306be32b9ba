"""Every parameter of the generator as a table, under the names that docs/market.md uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from segmentation.datasets import _market_campaign as campaign
from segmentation.datasets import _market_clock as clock
from segmentation.datasets import _market_events as events
from segmentation.datasets import _market_feedback as feedback
from segmentation.datasets import _market_needs as needs
from segmentation.datasets import _market_orders as orders
from segmentation.datasets import _market_profiles as profiles
from segmentation.datasets import _market_survey as survey

__all__ = ["parameters"]


def parameters() -> dict[str, pd.DataFrame]:
    """Return copies of all parameter tables.

    Examples
    --------
    >>> parameters()["population"]["value"].head(2).to_dict()
    {'r': 1.2, 'alpha': 50.0}
    """
    return {
        "population": _values(needs.POPULATION.to_dict() | {"units_per_amount": orders.UNITS_PER_AMOUNT}),
        "needs": needs.NEEDS.assign(share=needs.SHARES),
        "profiles": profiles.TRAITS.copy(),
        "income": _values(profiles.INCOME.to_dict()),
        "income_missing": _values(profiles.INCOME_MISSING.to_dict()),
        "survey_strengths": survey.STRENGTHS.assign(answered=survey.ANSWERED),
        "survey_items": survey.ITEMS.copy(),
        "survey": _values(_survey()),
        "events": events.TYPE_SHARES.assign(intensity=events.INTENSITY),
        "sessions": _values(
            events.SESSIONS.to_dict()
            | {"after_leaving": events.AFTER_LEAVING, "seconds_between": events.SECONDS_BETWEEN}
        ),
        "feedback": feedback.TEXT_SHARES.assign(nps_base=feedback.NPS_BASE),
        "feedback_chances": _values(_feedback()),
        "campaign": campaign.RESPONSE.copy(),
        "campaign_common": _values(
            {
                "treated_share": campaign.TREATED_SHARE,
                "rate_effect": campaign.RATE_EFFECT,
                "active_effect": campaign.ACTIVE_EFFECT,
                "spend_ratio": campaign.SPEND_RATIO,
                "spend_shape": campaign.SPEND_SHAPE,
            }
        ),
        "misspecified": _values(
            {
                "spend_rate_correlation": needs.SPEND_RATE_CORRELATION,
                "regular_share": needs.REGULAR_SHARE,
                **{f"month_{month}": factor for month, factor in enumerate(clock.MONTH_FACTORS, start=1)},
            }
        ),
    }


def _survey() -> dict[str, float]:
    return {
        "need_sd": survey.NEED_SD,
        "noise_sd": survey.NOISE_SD,
        **{f"threshold_{level}": value for level, value in enumerate(survey.THRESHOLDS, start=1)},
        **dict(zip(survey.STYLES, survey.STYLE_SHARES, strict=True)),
        "yes_saying": survey.YES_SAYING,
        **{f"straight_{answer}": share for answer, share in enumerate(survey.STRAIGHT_ANSWER, start=1)},
    }


def _feedback() -> dict[str, float]:
    return {
        **{f"answers_{number}": share for number, share in enumerate(feedback.ANSWERS)},
        **feedback.CHANCES.to_dict(),
        **{f"nps_{kind}": shift for kind, shift in feedback.NPS_SHIFT.items()},
        "nps_customer_sd": feedback.NPS_CUSTOMER_SD,
        "nps_occasion_sd": feedback.NPS_OCCASION_SD,
    }


def _values(values: Mapping[Any, float]) -> pd.DataFrame:
    """Return a table of one column, `value`, indexed by parameter."""
    return pd.DataFrame({"value": [float(v) for v in values.values()]}, index=pd.Index(list(values), name="parameter"))
