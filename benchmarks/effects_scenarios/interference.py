"""Rows that touch each other: groups, networks, blocks of time, and space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from effects_scenarios.base import Scenario

_OWN, _SHARE = 2.0, 3.0  # of one's own treatment; of all of the group treated, against none
_LOW, _HIGH = 0.3, 0.7


def _two_stage(generator: np.random.Generator) -> dict[str, Any]:
    """Groups of ten to thirty, of which 30 or 70 % are treated; own effects differ by group."""
    groups = 60
    sizes = 10 * generator.integers(1, 4, groups)
    saturation = np.where(generator.permutation(groups) % 2 == 0, _LOW, _HIGH)
    own = _OWN + generator.normal(size=groups)
    level = generator.normal(size=groups)
    parts = []
    for size, share in zip(sizes, saturation, strict=True):
        treated = np.arange(size) < round(share * size)
        parts.append(generator.permutation(treated).astype(int))
    group, treat = np.repeat(np.arange(groups), sizes), np.concatenate(parts)
    outcome = own[group] * treat + _SHARE * saturation[group] + level[group]
    return {
        "group": group, "saturation": saturation[group], "treat": treat, "own": own[group],
        "y": outcome + generator.normal(size=len(group)),
    }  # fmt: skip


def _mean_of_groups(data: Mapping[str, Any]) -> float:
    """The direct effect in these groups, each counting once."""
    first = np.unique(data["group"], return_index=True)[1]
    return float(data["own"][first].mean())


def _network(generator: np.random.Generator, clusters: bool = False) -> dict[str, Any]:
    """A ring of rows, some of whose links lead elsewhere; effects differ by row."""
    rows = 400
    links = [(i, (i + 1) % rows) for i in range(rows)]
    links = [
        (i, int(generator.integers(rows)) if generator.random() < 0.1 else j) for i, j in links
    ]
    near: list[set[int]] = [set() for _ in range(rows)]
    for i, j in links:
        if i != j:
            near[i].add(j)
            near[j].add(i)
    household = np.arange(rows) % (rows // 2)  # far from each other
    tosses = generator.random(rows) < 0.4
    treat = tosses[household] if clusters else tosses
    touched = np.array([any(treat[j] for j in each) for each in near])
    noise = generator.normal(size=rows)
    own, spill = _OWN + noise / 2, 1.0 + noise / 4
    outcome = own * treat + spill * touched + noise + generator.normal(size=rows)
    return {
        "id": np.arange(rows), "household": household, "treat": treat.astype(int), "y": outcome,
        "friends": np.array([" ".join(map(str, sorted(each))) for each in near]),
        "own": own, "spill": spill,
    }  # fmt: skip


def _switchback(
    generator: np.random.Generator,
    places: int = 1,
    length: int = 4,
    carried: int = 1,
    left: float = 0.6,
) -> dict[str, Any]:
    """Four weeks of hours; what a block does lasts into the next, and errors last too."""
    hours = 24 * 28
    blocks = np.arange(hours) // length
    columns: dict[str, list[Any]] = {"place": [], "time": [], "treat": [], "hour": [], "y": []}
    for place in range(places):
        treat = generator.integers(0, 2, blocks[-1] + 1)[blocks]
        noise = generator.normal(size=hours)
        for t in range(1, hours):
            noise[t] += 0.6 * noise[t - 1]
        outcome = treat + np.sin(np.arange(hours) * np.pi / 12) + noise + place
        for back in range(1, carried + 1):
            outcome = outcome + left / carried * np.concatenate([np.zeros(back), treat[:-back]])
        for name, values in (
            ("place", np.full(hours, place)), ("time", np.arange(hours)), ("treat", treat),
            ("hour", np.arange(hours) % 24), ("y", outcome),
        ):  # fmt: skip
            columns[name].append(values)
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _space(generator: np.random.Generator, side: float = 30.0) -> dict[str, Any]:
    """Dense here and thin there; a treated row moves those up to 1 from it, and itself."""
    rows = 500
    x = side * generator.beta(1.0, 1.5, rows)
    z = side * generator.random(rows)
    treat = (generator.random(rows) < 0.3).astype(int)
    gaps = np.hypot(x[:, None] - x, z[:, None] - z)
    near = (gaps <= 1) & (gaps > 0)
    level = 0.5 * np.sin(x / 3) - 0.1 * near.sum(axis=1)  # density is a cause of its own
    return {
        "x": x, "z": z, "treat": treat,
        "y": treat + 0.5 * (near @ treat) + level + generator.normal(size=rows),
    }  # fmt: skip


def _ask(method: str, **given: Any) -> dict[str, Any]:
    return {"treatment": "treat", "outcome": "y", "method": method, **given}


def _stages(estimand: str) -> dict[str, Any]:
    return _ask("two_stage", cluster="group", saturation="saturation", estimand=estimand)


def _friends(estimand: str, **given: Any) -> dict[str, Any]:
    asked = {"unit": "id", "neighbours": "friends", "share": 0.4, "draws": 1000, **given}
    return _ask("network_exposure", estimand=estimand, **asked)


def _mean(name: str) -> Any:
    return lambda data: float(np.mean(data[name]))


_RINGS = {"place": ("x", "z"), "rings": (1, 2, 3)}
_GAP = _HIGH - _LOW

SCENARIOS = (
    Scenario(
        "interference.two_stage_overall", _two_stage, (_OWN + _SHARE) * _GAP, _stages("overall")
    ),
    Scenario("interference.two_stage_total", _two_stage, _OWN + _SHARE * _GAP, _stages("total")),
    Scenario("interference.two_stage_indirect", _two_stage, _SHARE * _GAP, _stages("indirect")),
    Scenario("interference.two_stage_direct", _two_stage, _mean_of_groups, _stages("direct")),
    Scenario(
        "interference.network_indirect", _network, _mean("spill"),
        _friends("indirect", errors="network"),
    ),
    Scenario(
        "interference.network_direct", _network, _mean("own"), _friends("direct", errors="network")
    ),
    Scenario(
        "interference.network_households", lambda g: _network(g, clusters=True), _mean("spill"),
        _friends("indirect", errors="network", cluster="household"),
    ),
    Scenario(
        "interference.network_conservative", _network, _mean("own"), _friends("direct"),
        may_be_long=True,
    ),
    Scenario(
        "interference.network_horvitz_thompson", _network, _mean("own"),
        _friends("direct", estimator="horvitz_thompson"), may_be_long=True,
    ),
    Scenario(
        "interference.switchback", _switchback, 1.6,
        _ask("switchback", time="time", block_length=4, burn_in=1),
    ),
    Scenario(
        "interference.switchback_of_places", lambda g: _switchback(g, places=5, length=24), 1.6,
        _ask("switchback", time="time", unit="place", block_length=24, burn_in=1,
             adjustment=("C(hour)",)),
    ),
    Scenario(
        "interference.rings", _space, 0.5, _ask("spatial_rings", **_RINGS)
    ),
    Scenario("interference.rings_site", _space, 1.0, _ask("spatial_rings", **_RINGS, ring=0)),
    # Where it must not be believed.
    Scenario(
        "interference.carry_over_kept", lambda g: _switchback(g, length=8, carried=4, left=3.0),
        4.0,
        _ask("switchback", time="time", block_length=8), holds=False, fires="carry_over",
    ),
    Scenario(
        "interference.means_where_groups_touch", _two_stage, _OWN + _SHARE,
        _ask("difference_in_means", cluster="group"), holds=False, fires="interference",
    ),
    Scenario(
        "interference.rings_where_neighbours_touch", _space, 1.0,
        _ask("spatial_rings", **_RINGS, ring=0), holds=False, fires="interference",
    ),
)  # fmt: skip
