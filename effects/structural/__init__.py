"""What would have happened to a row, and which cause made it odd: a fitted structural model."""

from whydrift.effects.structural.counterfactual import Counterfactuals, counterfactual
from whydrift.effects.structural.model import StructuralModel, fit_structural_model
from whydrift.effects.structural.outlier import OutlierAttribution, attribute_outlier

__all__ = [
    "Counterfactuals",
    "OutlierAttribution",
    "StructuralModel",
    "attribute_outlier",
    "counterfactual",
    "fit_structural_model",
]
