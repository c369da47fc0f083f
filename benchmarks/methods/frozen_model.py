"""The frozen linear model whose loss some cases of the suite ``multi`` ask about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["PREDICTION", "with_prediction"]

PREDICTION = "prediction"


def with_prediction(window: pd.DataFrame, measure: Mapping[str, Any]) -> pd.DataFrame:
    """Return the window with the model's prediction as one more column.

    The yardstick tells of the model in ``measure``; ``measure_values`` there squares the difference
    of the target and this.
    """
    value = np.full(len(window), float(measure["intercept"]))
    for column, slope in measure["coef"].items():
        value += slope * window[column].to_numpy(dtype=float)
    for column, lifts in measure["levels"].items():
        value += np.asarray(lifts, dtype=float)[window[column].str.slice(1).astype(int)]
    return window.assign(**{PREDICTION: value})
