"""Small structural models with known truth, for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

EDGES = [("region", "income"), ("income", "rooms"), ("income", "price"), ("rooms", "price")]


def houses(
    rows: int,
    seed: int,
    *,
    income_shift: float = 0.0,
    price_slope: float = 0.8,
    noise: float = 1.0,
) -> pd.DataFrame:
    """region → income → rooms → price, and income → price."""
    rng = np.random.default_rng(seed)
    region = rng.choice(["north", "south", "west"], rows, p=[0.5, 0.3, 0.2])
    lift = np.select([region == "north", region == "south"], [0.6, -0.4], 0.0)
    income = lift + income_shift + rng.normal(size=rows)
    rooms = 0.7 * income + rng.normal(size=rows)
    price = price_slope * income + 0.6 * rooms + noise * rng.normal(size=rows)
    return pd.DataFrame({"region": region, "income": income, "rooms": rooms, "price": price})
