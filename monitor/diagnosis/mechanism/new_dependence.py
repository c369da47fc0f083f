"""How far a column came to depend on others that are no parents of its."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.monitor.diagnosis.mechanism.base import Component, NewDependence
from whydrift.monitor.diagnosis.mechanism.design import level_names
from whydrift.monitor.diagnosis.mechanism.fitted_models import FittedModels
from whydrift.monitor.diagnosis.mechanism.scores import Scores
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.side_by_side import chosen_rows, side_by_side

__all__ = ["new_dependence", "stranger_features"]

_MOST_OTHERS = 200  # scores of new dependence
_KNOWN_BEFORE = 2.5  # standard errors of a dependence that the reference has already


def new_dependence(
    models: FittedModels, scores: Scores, strangers: list[tuple[str, str]]
) -> tuple[NewDependence, ...]:
    """Return how far the column came to depend on others that are no parents of its."""
    if not strangers:
        return ()
    # Apart in each window: another column that moved itself must not meet a misfit of this one.
    features = models.strangers - models.apart(models.strangers)
    split = models.rows.split
    own = features[:split].T @ scores.main[:split]
    error = np.sqrt((features[:split] ** 2).T @ scores.main[:split] ** 2)
    unknown = np.abs(own) <= _KNOWN_BEFORE * error
    places = np.argwhere(unknown & (error > 0))[:_MOST_OTHERS]
    if not len(places):
        return ()
    at, level = places.T
    columns = features[:, at] * scores.main[:, level]
    moments = models.rows.moments(columns, models.rows.window[:, None], jointly=False)
    spread = np.sqrt(np.maximum(np.diag(moments.variance), 1e-300))
    z = np.abs(moments.standardised(spread))
    out = []
    owners = np.array([owner for owner, _ in strangers])[at]
    is_telling = moments.is_normal
    for other in dict.fromkeys(owners[is_telling].tolist()):
        mine = np.flatnonzero((owners == other) & is_telling)
        best = mine[np.argmax(z[mine])]
        k = int(level[best])
        leverage = features[:, at[best]] * models.rows.window
        information = max(float(leverage @ leverage), 1e-300)
        raw = leverage * scores.main_raw[:, k]
        feature = strangers[at[best]][1]
        own_name = scores.main_names[k]
        component = Component(
            f"{own_name} along {feature}" if own_name else f"dependence on {feature}",
            float(raw.sum()) / information,
            float(np.sqrt(models.rows.spread_of(raw[:, None])[0, 0])) / information,
            scores.main_unit,
            float(np.copysign(z[best], moments.total[best])),
            scores.scale[k],
        )
        out.append(NewDependence(other, component, mine.size))
    return tuple(out)


def stranger_features(
    pair: WindowPair, others: tuple[str, ...], rows: BoolArray
) -> tuple[FloatArray, list[tuple[str, str]]]:
    """Return features of columns that are no parents, 0 where missing; column and name of each."""
    columns: list[FloatArray] = [np.empty((int(rows.sum()), 0))]
    names: list[tuple[str, str]] = []
    for other in others[:_MOST_OTHERS]:
        part = chosen_rows(pair.features(other).linear, rows)
        seen = np.isfinite(part)
        centre = np.where(seen, part, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        columns.append(np.clip(np.where(seen, part - centre, 0.0), -3, 3))
        levels = level_names(pair, other)
        names += [(other, f"{other} = {level}") for level in levels] or [(other, other)]
    return side_by_side(columns)[:, :_MOST_OTHERS], names[:_MOST_OTHERS]
