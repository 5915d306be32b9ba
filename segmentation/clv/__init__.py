"""Purchase and spend models for customers who leave without saying so: pure mathematics on arrays.

All are fitted by maximum likelihood, with analytic gradients, and have ``fit``, ``from_params``, ``params_``,
``log_likelihood_``, ``standard_errors_``, ``aic_``, ``bic_``, ``converged_`` and ``diagnosis_``. Times and money are
in the unit of the caller.
"""

from segmentation.clv._beta_binomial import BetaGeoBetaBernoulli
from segmentation.clv._beta_geo import BetaGeoNBD, ModifiedBetaGeoNBD
from segmentation.clv._cnbd import BetaGeoCNBD
from segmentation.clv._contractual import BetaDiscreteWeibull, ShiftedBetaGeo
from segmentation.clv._gamma_gamma import GammaGamma
from segmentation.clv._pareto import ParetoNBD

__all__ = [
    "BetaDiscreteWeibull",
    "BetaGeoBetaBernoulli",
    "BetaGeoCNBD",
    "BetaGeoNBD",
    "GammaGamma",
    "ModifiedBetaGeoNBD",
    "ParetoNBD",
    "ShiftedBetaGeo",
]
