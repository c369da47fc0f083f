# whydrift yardsticks 1.0: unchanged below this header.
# SPDX-License-Identifier: Apache-2.0
#!/usr/bin/env python3
"""driftbench - a benchmark generator for *causal* drift diagnosis.

A case is a pair of windows (reference, current) sampled from a structural
causal model (SCM) before and after a known change.  The question put to a
method is, for every column: did nothing happen, is the drift merely inherited
from upstream, or did the column's own mechanism ``P(X | parents)`` change (for
a root: its marginal)?  For the target column: covariate shift, mechanism
shift, both or none; plus a ranking of root causes and each mechanism's
contribution to the change of ``E[target]``.

Only numpy and pandas (parquet through pyarrow) are needed.  Everything is
deterministic given ``(suite, seed)``.

Command line::

    python driftbench.py make  --suite small --seed 0 --out DIR
    python driftbench.py score --cases DIR --answers DIR [--by family,kind,p,n]

Files per case (``DIR/<case_id>/``): ``ref.parquet``, ``cur.parquet``,
``meta.json`` (public: target, edges, discrete columns, time ordering) and
``truth.json`` (hidden: labels, shifted nodes, contributions).

Answer file: ``ANSWERS/<case_id>.json``::

    {"nodes": {col: {"verdict": "none|inherited|mechanism",
                     "score": float, "contribution": float|null,
                     "contribution_low": float, "contribution_high": float}},
     "target_verdict": "none|covariate|mechanism|both",
     "ranking": [col, ...], "seconds": float}

The two interval keys ``contribution_low/high`` are optional.  The suite
``multi`` holds cases for contributions; there ``meta.json`` has ``measure``:
``{"kind": "mean"}`` (contributions to the change of ``E[target]``) or
``{"kind": "squared-error", ...}`` (to the change of the mean squared error of
a frozen linear model; see :func:`measure_values`).
"""
from __future__ import annotations

import argparse
import copy
import dataclasses
import itertools
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
import pandas as pd

__all__ = [
    "FAMILIES", "SHIFT_KINDS", "STRENGTHS", "CaseSpec", "Case", "SCM", "Node",
    "Term", "random_scm", "make_case", "suite_specs", "write_case",
    "load_case", "score_answers", "measure_values",
    "shapley_with_error",
]

FAMILIES = (
    "linear-gauss", "linear-nongauss", "nonlinear-additive", "heteroscedastic",
    "categorical", "mixed", "heavy-tailed", "missing", "timeseries", "latent",
)

MECHANISM_KINDS = ("coef", "noise", "form", "edge-removed", "edge-added",
                   "intercept", "soft")
#: the families of the suite ``multi`` (all moments of the target exist)
MULTI_FAMILIES = ("linear-gauss", "linear-nongauss", "nonlinear-additive",
                  "heteroscedastic", "mixed")
FAULT_KINDS = ("fault-unit", "fault-stuck", "fault-recode", "fault-null",
               "fault-swap")
SHIFT_KINDS = (("none", "root-mean", "root-scale") + MECHANISM_KINDS
               + ("two",) + FAULT_KINDS + ("target-only", "covariate-only",
                                           "covariate+target"))

#: size of a change in units of the (reference) standard deviation of the node
STRENGTHS = {"faint": 0.1, "subtle": 0.25, "medium": 0.5, "strong": 1.0}
#: multiplicative scale changes for the three strengths
SCALES = {"faint": 1.1, "subtle": 1.3, "medium": 1.6, "strong": 2.2}


# --------------------------------------------------------------------------
# Structural causal models
# --------------------------------------------------------------------------
@dataclass
class Term:
    """One additive term ``weight * g(parents)``; ``g`` is standardised so that
    it has mean 0 and sd 1 under the reference distribution.

    ``weight`` is a scalar for a continuous child and a vector (one entry per
    level) for a categorical child."""

    parents: Tuple[str, ...]
    kind: str                      # linear sin tanh quad abs levels inter
    weight: np.ndarray
    params: Dict[str, object] = field(default_factory=dict)
    mu: float = 0.0
    sd: float = 1.0

    def raw(self, data: Dict[str, np.ndarray]) -> np.ndarray:
        """Unstandardised value of the term."""
        x = data[self.parents[0]]
        k = self.kind
        if k == "linear":
            return x
        if k == "sin":
            return np.sin(self.params["w"] * x + self.params["b"])
        if k == "tanh":
            return np.tanh(1.5 * x + self.params["b"])
        if k == "quad":
            return np.clip(x, -3, 3) ** 2 + self.params["b"] * np.clip(x, -3, 3)
        if k == "abs":
            return np.minimum(np.abs(x - self.params["b"]), 4.0)
        if k == "levels":
            eff = np.asarray(self.params["effect"])
            return eff[np.clip(x.astype(int), 0, len(eff) - 1)]
        if k == "inter":
            y = data[self.parents[1]]
            return np.tanh(x) * np.tanh(y)
        raise ValueError(k)

    def value(self, data: Dict[str, np.ndarray]) -> np.ndarray:
        """Standardised value of the term."""
        return (self.raw(data) - self.mu) / self.sd

    def fit(self, data: Dict[str, np.ndarray]) -> "Term":
        """Set the standardisation from a reference sample."""
        r = self.raw(data)
        self.mu = float(np.mean(r))
        self.sd = float(np.std(r)) or 1.0
        return self


@dataclass
class Node:
    """A mechanism ``X := f(parents) + s(parents) * noise`` (continuous) or
    ``X ~ softmax(temp * f(parents))`` (categorical)."""

    name: str
    levels: int = 0                # 0: continuous
    terms: List[Term] = field(default_factory=list)
    hetero: List[Term] = field(default_factory=list)
    intercept: np.ndarray = field(default_factory=lambda: np.zeros(1))
    noise_kind: str = "gauss"
    noise_scale: float = 1.0
    temp: float = 1.0
    shrink: float = 1.0            # soft intervention: multiplies f(parents)
    latent: bool = False
    rho: float = 0.0               # AR(1) coefficient of the noise
    season: Tuple[float, float] = (0.0, 24.0)   # amplitude, period
    fault: Optional[dict] = None   # in-stream fault (children see it)

    @property
    def parents(self) -> List[str]:
        """Names of the parents, in term order."""
        out: List[str] = []
        for t in self.terms + self.hetero:
            for q in t.parents:
                if q not in out:
                    out.append(q)
        return out

    def draw_noise(self, n: int, rng: np.random.Generator) -> dict:
        """Exogenous noise for ``n`` rows: main noise ``e`` and a uniform ``u``
        used by faults."""
        if self.levels:
            e = rng.gumbel(size=(n, self.levels))
            if self.rho:
                # persistent discrete noise: hold the previous draw w.p. rho
                keep = rng.random(n) < self.rho
                idx = np.arange(n)
                idx[keep] = 0
                idx = np.maximum.accumulate(idx)
                e = e[idx]
        else:
            e = _base_noise(self.noise_kind, n, rng)
            if self.rho:
                e = _ar1(e, self.rho)
        return {"e": e, "u": rng.random(n), "t": np.arange(n)}

    def signal(self, data: Dict[str, np.ndarray], n: int) -> np.ndarray:
        """Deterministic part (scores per level for a categorical node)."""
        if self.levels:
            f = np.tile(np.asarray(self.intercept, float), (n, 1))
            for t in self.terms:
                f = f + self.shrink * np.outer(t.value(data), t.weight)
            return f * self.temp
        f = np.full(n, float(self.intercept[0]))
        for t in self.terms:
            f = f + self.shrink * float(t.weight) * t.value(data)
        return f

    def scale(self, data: Dict[str, np.ndarray], n: int) -> np.ndarray:
        """Conditional noise scale (continuous nodes)."""
        h = np.zeros(n)
        for t in self.hetero:
            h = h + float(t.weight) * t.value(data)
        return self.noise_scale * np.exp(np.clip(h, -2, 2))

    def sample(self, data: Dict[str, np.ndarray], noise: dict) -> np.ndarray:
        """Evaluate the mechanism on parent values and exogenous noise."""
        n = len(noise["u"])
        f = self.signal(data, n)
        if self.levels:
            x = np.argmax(f + noise["e"], axis=1).astype(float)
        else:
            x = f + self.scale(data, n) * noise["e"]
            amp, period = self.season
            if amp:
                x = x + amp * np.sin(2 * np.pi * noise["t"] / period)
        if self.fault is not None:
            x = apply_fault(x, self.fault, noise["u"])
        return x

    def logpdf(self, data: Dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
        """Conditional log-density (iid part; used for the oracle bound)."""
        n = len(x)
        f = self.signal(data, n)
        if self.levels:
            f = f - f.max(axis=1, keepdims=True)
            lp = f - np.log(np.exp(f).sum(axis=1, keepdims=True))
            return lp[np.arange(n), np.clip(x.astype(int), 0, self.levels - 1)]
        s = self.scale(data, n)
        return _noise_logpdf(self.noise_kind, (x - f) / s) - np.log(s)


def _base_noise(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Unit-variance (where it exists) exogenous noise."""
    if kind == "gauss":
        return rng.normal(size=n)
    if kind == "laplace":
        return rng.laplace(scale=1 / math.sqrt(2), size=n)
    if kind == "uniform":
        return rng.uniform(-math.sqrt(3), math.sqrt(3), size=n)
    if kind == "t3":
        e = rng.standard_t(3, size=n) / math.sqrt(3)
        out = rng.random(n) < 0.01
        sign = np.where(rng.random(n) < 0.5, -1.0, 1.0)
        return np.where(out, sign * rng.uniform(6, 10, size=n), e)
    raise ValueError(kind)


def _noise_logpdf(kind: str, z: np.ndarray) -> np.ndarray:
    """Log-density of :func:`_base_noise`."""
    if kind == "gauss":
        return -0.5 * z * z - 0.5 * math.log(2 * math.pi)
    if kind == "laplace":
        return -math.sqrt(2) * np.abs(z) - 0.5 * math.log(2)
    if kind == "uniform":
        return np.where(np.abs(z) <= math.sqrt(3) + 1e-9,
                        -math.log(2 * math.sqrt(3)), -50.0)
    if kind == "t3":
        c = math.sqrt(3)
        dens = 2 / (math.pi * math.sqrt(3)) * (1 + z * z) ** -2 * c
        box = ((np.abs(z) >= 6) & (np.abs(z) <= 10)) / 8.0
        return np.log(0.99 * dens + 0.01 * box)
    raise ValueError(kind)


def _ar1(e: np.ndarray, rho: float) -> np.ndarray:
    """Stationary AR(1) series with unit variance from iid innovations."""
    out = np.empty_like(e)
    s = math.sqrt(1 - rho * rho)
    out[0] = e[0]
    for i in range(1, len(e)):
        out[i] = rho * out[i - 1] + s * e[i]
    return out


def apply_fault(x: np.ndarray, fault: dict, u: np.ndarray) -> np.ndarray:
    """Apply a pipeline fault to a column (codes for categorical columns)."""
    k = fault["kind"]
    if k == "unit":
        return x * fault["factor"]
    if k == "stuck":
        return np.where(u < fault["fraction"], fault["value"], x)
    if k == "recode":
        m = np.asarray(fault["map"], float)
        y = m[np.clip(x.astype(int), 0, len(m) - 1)]
        return np.where(u < fault["fraction"], y, x)
    if k == "null":
        return np.where(u < fault["fraction"], np.nan, x)
    raise ValueError(k)


@dataclass
class SCM:
    """Nodes in topological order (latent nodes included)."""

    nodes: List[Node]
    target: str

    def __getitem__(self, name: str) -> Node:
        return next(v for v in self.nodes if v.name == name)

    @property
    def observed(self) -> List[str]:
        """Names of the observed nodes in topological order."""
        return [v.name for v in self.nodes if not v.latent]

    def parents(self, name: str, latent: bool = False) -> List[str]:
        """Parents of a node (observed only unless ``latent``)."""
        hid = {v.name for v in self.nodes if v.latent}
        return [q for q in self[name].parents if latent or q not in hid]

    def edges(self) -> List[Tuple[str, str]]:
        """Observed edges (parent, child)."""
        return [(q, v) for v in self.observed for q in self.parents(v)]

    def ancestors(self, name: str) -> set:
        """Strict ancestors (latent included)."""
        out: set = set()
        todo = list(self[name].parents)
        while todo:
            q = todo.pop()
            if q not in out:
                out.add(q)
                todo.extend(self[q].parents)
        return out

    def noise(self, n: int, rng: np.random.Generator) -> Dict[str, dict]:
        """Exogenous noise for all nodes."""
        return {v.name: v.draw_noise(n, rng) for v in self.nodes}

    def simulate(self, n: int, rng: np.random.Generator = None,
                 noise: Dict[str, dict] = None,
                 only: Optional[set] = None) -> Dict[str, np.ndarray]:
        """Sample (or push given noise through) the model."""
        noise = self.noise(n, rng) if noise is None else noise
        data: Dict[str, np.ndarray] = {}
        for v in self.nodes:
            if only is None or v.name in only:
                data[v.name] = v.sample(data, noise[v.name])
        return data


# --------------------------------------------------------------------------
# Random models
# --------------------------------------------------------------------------
def _random_dag(p: int, degree: float, max_parents: int,
                rng: np.random.Generator) -> List[List[int]]:
    """Parent lists of an ER DAG in topological order; the last node is a sink
    with at least two parents."""
    prob = min(1.0, degree / max(1, p - 1))
    pars: List[List[int]] = []
    for i in range(p):
        q = [j for j in range(i) if rng.random() < prob]
        if len(q) > max_parents:
            q = sorted(rng.choice(q, max_parents, replace=False).tolist())
        pars.append(q)
    if pars[1] == [] and rng.random() < 0.7:
        pars[1] = [0]
    last = pars[-1]
    need = 2 if p > 3 else 1
    # prefer parents that themselves have parents, so that there is an upstream
    pool = sorted(range(p - 1), key=lambda j: -len(pars[j]) - rng.random())
    for j in pool:
        if len(last) >= need:
            break
        if j not in last:
            last.append(j)
    return pars


def _term_kinds(family: str, rng: np.random.Generator) -> str:
    if family in ("linear-gauss", "linear-nongauss"):
        return "linear"
    if family in ("timeseries", "missing", "latent", "heteroscedastic"):
        return str(rng.choice(["linear", "linear", "tanh", "sin"]))
    if family == "heavy-tailed":
        return str(rng.choice(["linear", "linear", "tanh", "abs"]))
    return str(rng.choice(["linear", "sin", "tanh", "quad", "abs"]))


def _make_term(parents: Sequence[str], kind: str, plevels: int, weight,
               rng: np.random.Generator) -> Term:
    params: Dict[str, object] = {}
    if plevels:
        kind = "levels"
        eff = rng.normal(size=plevels)
        eff[0] -= 1.0
        eff[-1] += 1.0
        params["effect"] = eff.tolist()
    elif kind == "sin":
        params.update(w=float(rng.uniform(1.0, 2.0)), b=float(rng.uniform(-1, 1)))
    elif kind == "quad":
        params["b"] = float(rng.uniform(-1, 1))
    else:
        params["b"] = float(rng.uniform(-0.7, 0.7))
    return Term(tuple(parents), kind, np.asarray(weight, float), params)


def random_scm(family: str, p: int, rng: np.random.Generator,
               n_cal: int = 20000) -> SCM:
    """Draw a random standardised SCM of a family with ``p`` observed columns,
    the sink ``y`` being the target."""
    maxpar = 3 if family in ("categorical",) else 4
    pars = _random_dag(p, float(rng.uniform(2, 3)), maxpar, rng)
    names = [f"x{j}" for j in rng.permutation(p - 1)] + ["y"]
    noise_pool = {"linear-nongauss": ["laplace", "uniform"],
                  "heavy-tailed": ["t3"]}.get(family, ["gauss"])
    latents: List[Node] = []
    conf: Dict[str, List[str]] = {}
    if family == "latent":
        pairs = [(a, b) for a in range(p) for b in range(a + 1, p)]
        for k in range(max(1, p // 5)):
            a, b = pairs[int(rng.integers(len(pairs)))]
            u = f"_u{k}"
            latents.append(Node(u, latent=True))
            conf.setdefault(names[a], []).append(u)
            conf.setdefault(names[b], []).append(u)
    nodes: List[Node] = list(latents)
    cal_noise: Dict[str, dict] = {}
    data: Dict[str, np.ndarray] = {}
    for u in latents:
        cal_noise[u.name] = u.draw_noise(n_cal, rng)
        data[u.name] = u.sample(data, cal_noise[u.name])
    lev: Dict[str, int] = {u.name: 0 for u in latents}
    for i, q in enumerate(pars):
        name = names[i]
        is_target = name == "y"
        if family == "categorical":
            levels = 2 if is_target else int(rng.integers(2, 6))
        elif family == "mixed":
            levels = (2 if is_target and rng.random() < 0.5 else
                      0 if is_target else
                      int(rng.integers(2, 6)) if rng.random() < 0.45 else 0)
        else:
            levels = 0
        lev[name] = levels
        pn = [names[j] for j in q] + conf.get(name, [])
        node = Node(name, levels=levels, noise_kind=str(rng.choice(noise_pool)))
        if family == "timeseries":
            node.rho = float(rng.choice([0.5, 0.8, 0.9]))
            if not pn and rng.random() < 0.5:
                node.season = (float(rng.uniform(0.5, 1.0)), 24.0)
        if levels:
            node.intercept = rng.normal(scale=0.4, size=levels)
            for a in pn:
                w = rng.normal(size=levels)
                w = w - w.mean()
                w = w / (np.linalg.norm(w) or 1) * rng.uniform(0.9, 1.6) * math.sqrt(levels / 2)
                node.terms.append(_make_term([a], _term_kinds(family, rng), lev[a], w, rng).fit(data))
        else:
            node.intercept = np.zeros(1)
            if pn:
                r2 = float(rng.uniform(0.4, 0.8))
                raw = rng.uniform(0.5, 1.0, size=len(pn)) * np.where(rng.random(len(pn)) < 0.5, -1, 1)
                for a, w in zip(pn, raw):
                    kind = "linear" if a in conf.get(name, []) else _term_kinds(family, rng)
                    node.terms.append(_make_term([a], kind, lev[a], w, rng).fit(data))
                cont = [a for a in pn if not lev[a] and not a.startswith("_")]
                if family in ("nonlinear-additive", "mixed") and len(cont) >= 2 and rng.random() < 0.5:
                    a, b = rng.choice(cont, 2, replace=False)
                    node.terms.append(Term((str(a), str(b)), "inter",
                                           np.asarray(rng.uniform(0.4, 0.8))).fit(data))
                sig = node.signal(data, n_cal)
                c = math.sqrt(r2) / (np.std(sig) or 1.0)
                for t in node.terms:
                    t.weight = t.weight * c
                node.noise_scale = math.sqrt(1 - r2)
                if family == "heteroscedastic":
                    a = cont[int(rng.integers(len(cont)))] if cont else None
                    if a:
                        h = _make_term([a], str(rng.choice(["tanh", "linear"])), 0,
                                       rng.uniform(0.4, 0.7), rng).fit(data)
                        node.hetero.append(h)
        cal_noise[name] = node.draw_noise(n_cal, rng) if not node.rho else \
            dataclasses.replace(node, rho=0.0).draw_noise(n_cal, rng)
        data[name] = node.sample(data, cal_noise[name])
        nodes.append(node)
    return SCM(nodes, "y")


# --------------------------------------------------------------------------
# Shifts
# --------------------------------------------------------------------------
def _applicable(node: Node, kind: str) -> bool:
    """Whether a mechanism-level shift kind can be applied to a node."""
    root = not node.terms
    if kind in ("root-mean", "root-scale"):
        return root
    if root:
        return False
    if kind == "noise" and node.levels:
        return True
    return True


def shift_mechanism(scm: SCM, name: str, kind: str, strength: str,
                    rng: np.random.Generator) -> Tuple[Node, str]:
    """Return a changed copy of a node's mechanism and a description.

    The size of the change is in standard deviations of the node: for changes
    of the function, the sd of ``f' - f`` under the reference equals
    ``STRENGTHS[strength]`` (edge removal: the term nearest to it)."""
    v = copy.deepcopy(scm[name])
    s = STRENGTHS[strength]
    sign = 1.0 if rng.random() < 0.5 else -1.0
    own = [t for t in v.terms if not any(q.startswith("_") for q in t.parents)]
    own = own or v.terms

    def _lvl_delta(scale: float) -> np.ndarray:
        d = rng.normal(size=v.levels)
        d = d - d.mean()
        return d / (np.linalg.norm(d) or 1) * scale * math.sqrt(v.levels)

    if kind in ("root-mean", "intercept"):
        if v.levels:
            v.intercept = v.intercept + _lvl_delta(1.6 * s)
            return v, f"logits moved by {1.6*s:.2f}"
        v.intercept = v.intercept + sign * s
        return v, f"mean moved by {sign*s:+.2f} sd"
    if kind in ("root-scale", "noise"):
        f = SCALES[strength]
        f = f if rng.random() < 0.6 else 1 / f
        if v.levels:
            if not v.terms:
                v.intercept = v.intercept + _lvl_delta(1.6 * s)
                return v, "class mix changed"
            f = f if f < 1 else 1 / f      # flatten: always a visible change
            v.temp *= f
            return v, f"logits x{f:.2f}"
        v.noise_scale *= f
        return v, f"noise scale x{f:.2f}"
    if kind == "coef":
        t = own[int(rng.integers(len(own)))]
        if v.levels:
            t.weight = t.weight + _lvl_delta(1.6 * s)
            return v, f"weights of {t.parents} moved"
        t.weight = t.weight + sign * s
        return v, f"coefficient of {t.parents} moved by {sign*s:+.2f}"
    if kind == "form":
        t = own[int(rng.integers(len(own)))]
        n = 20000
        data = scm.simulate(n, np.random.default_rng(int(rng.integers(2**31))))
        if t.kind == "levels":
            perm = np.roll(np.asarray(t.params["effect"]), 1)
            new = dataclasses.replace(t, params={"effect": perm.tolist()}).fit(data)
        else:
            cur = t.kind
            opts = [k for k in ("quad", "sin", "abs", "linear", "tanh") if k != cur
                    and not {k, cur} <= {"linear", "tanh"}]
            new = _make_term(t.parents[:1], str(rng.choice(opts)), 0, t.weight, rng).fit(data)
        d = new.value(data) - t.value(data)
        if v.levels:
            lam = 1.6 * s / (np.std(d) * np.linalg.norm(t.weight) / math.sqrt(v.levels) + 1e-9)
        else:
            lam = s / (np.std(d) * abs(float(t.weight)) + 1e-9)
        new.weight = lam * t.weight
        t.weight = (1 - lam) * t.weight
        v.terms.append(new)
        return v, f"form of {t.parents}: {t.kind} -> {new.kind}, mix {lam:.2f}"
    if kind == "edge-removed":
        size = [abs(np.linalg.norm(t.weight) - s) for t in own]
        t = own[int(np.argmin(size))]
        w = float(np.linalg.norm(t.weight))
        t.weight = t.weight * 0.0
        return v, f"edge {t.parents} -> {name} removed (|w| {w:.2f})"
    if kind == "edge-added":
        n = 20000
        data = scm.simulate(n, np.random.default_rng(int(rng.integers(2**31))))
        order = [u.name for u in scm.nodes]
        cand = [u for u in scm.observed if order.index(u) < order.index(name)
                and u not in v.parents]
        if not cand:
            return shift_mechanism(scm, name, "coef", strength, rng)
        a = cand[int(rng.integers(len(cand)))]
        w = _lvl_delta(1.6 * s) if v.levels else sign * s
        v.terms.append(_make_term([a], "linear", scm[a].levels, w, rng).fit(data))
        return v, f"edge {a} -> {name} added (weight {s:.2f})"
    if kind == "soft":
        v.shrink *= {"faint": 0.9, "subtle": 0.75, "medium": 0.5, "strong": 0.2}[strength]
        if v.levels:
            v.intercept = v.intercept + _lvl_delta(1.2 * s)
        else:
            v.intercept = v.intercept + sign * 0.75 * s
        return v, f"soft intervention (shrink {v.shrink:.2f})"
    raise ValueError(kind)


def _make_fault(v: Node, kind: str, strength: str, col: np.ndarray,
                rng: np.random.Generator) -> dict:
    """Parameters of a pipeline fault for a node."""
    frac = {"faint": 0.05, "subtle": 0.15, "medium": 0.4, "strong": 0.8}[strength]
    if kind == "fault-unit":
        return {"kind": "unit", "factor": 100.0 if rng.random() < 0.5 else 0.01}
    if kind == "fault-stuck":
        val = float(rng.choice(col)) if v.levels else float(np.median(col))
        return {"kind": "stuck", "fraction": 1.0 if strength == "strong" else frac, "value": val}
    if kind == "fault-recode":
        k = v.levels
        m = list(range(k))
        if rng.random() < 0.5 and v.name != "y":
            m[int(rng.integers(k))] = k                  # a new level
        else:
            a, b = rng.choice(k, 2, replace=False)
            m[a], m[b] = m[b], m[a]
        return {"kind": "recode", "map": m, "fraction": 0.2 if strength == "faint" else 0.5 if strength == "subtle" else 1.0}
    if kind == "fault-null":
        return {"kind": "null", "fraction": frac}
    raise ValueError(kind)


# --------------------------------------------------------------------------
# Cases
# --------------------------------------------------------------------------
@dataclass(frozen=True)
class CaseSpec:
    """Everything that determines a case."""

    case_id: str
    family: str
    kind: str
    strength: str
    p: int
    n: int
    seed: Tuple[int, ...]


@dataclass
class Case:
    """A generated case; ``truth`` and ``meta`` are JSON-able."""

    spec: CaseSpec
    ref: pd.DataFrame
    cur: pd.DataFrame
    meta: dict
    truth: dict
    scm_ref: SCM
    scm_cur: SCM


def _frame(scm: SCM, data: Dict[str, np.ndarray], extra_levels: bool = False) -> pd.DataFrame:
    cols = {}
    order = [c for c in sorted(scm.observed, key=lambda c: (c == "y", int(c[1:] or 0)))]
    for c in order:
        k = scm[c].levels
        x = data[c]
        if k and c != scm.target:
            lab = np.array([f"L{i}" for i in range(k)] + ["NEW"], dtype=object)
            out = np.full(len(x), None, dtype=object)
            ok = ~np.isnan(x)
            out[ok] = lab[np.clip(x[ok].astype(int), 0, k)]
            cols[c] = out
        else:
            cols[c] = x.astype(float)
    return pd.DataFrame(cols)


def _ks(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sample Kolmogorov-Smirnov distance (NaN-aware: NaN is a value)."""
    na, nb = np.isnan(a).mean(), np.isnan(b).mean()
    a, b = np.sort(a[~np.isnan(a)]), np.sort(b[~np.isnan(b)])
    if len(a) == 0 or len(b) == 0:
        return 1.0
    z = np.concatenate([a, b])
    d = np.abs(np.searchsorted(a, z, "right") / len(a) - np.searchsorted(b, z, "right") / len(b)).max()
    return float(max(d, abs(na - nb)))


def _tv(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation distance between discrete columns."""
    sa, sb = pd.Series(a).value_counts(normalize=True, dropna=False), pd.Series(b).value_counts(normalize=True, dropna=False)
    return float(0.5 * sa.sub(sb, fill_value=0).abs().sum())


def shapley_contributions(ref: SCM, cur: SCM, changed: Sequence[str], n: int,
                          rng: np.random.Generator) -> Dict[str, float]:
    """Shapley contribution of each changed mechanism to the change of
    ``E[target]`` (all subsets, common random numbers).  Unchanged mechanisms
    contribute exactly zero and are left out."""
    tgt = ref.target
    keep: set = set()
    for m in (ref, cur):
        keep |= m.ancestors(tgt) | {tgt}
    players = [c for c in changed if c in keep]
    out = {c: 0.0 for c in changed}
    iid = SCM([dataclasses.replace(v, rho=0.0) for v in ref.nodes], tgt)
    noise = iid.noise(n, rng)
    val: Dict[frozenset, float] = {}
    for r in range(len(players) + 1):
        for sub in itertools.combinations(players, r):
            nodes = [cur[v.name] if v.name in sub else v for v in ref.nodes]
            nodes = _toposort(nodes)
            x = SCM(nodes, tgt).simulate(n, noise=noise, only=keep)[tgt]
            val[frozenset(sub)] = float(np.nanmean(x))
    m = len(players)
    for c in players:
        rest = [q for q in players if q != c]
        for r in range(m):
            w = math.factorial(r) * math.factorial(m - r - 1) / math.factorial(m)
            for sub in itertools.combinations(rest, r):
                out[c] += w * (val[frozenset(sub) | {c}] - val[frozenset(sub)])
    return out


def measure_values(measure: dict, data: Dict[str, np.ndarray], target: str) -> np.ndarray:
    """Per-row value of a case's measure: the target itself (``mean``) or the
    squared error of the frozen linear model stored in the measure.  ``data``
    maps a column to numbers (continuous columns and the target) or to labels
    ``"L0"``, ``"L1"``, ... or level codes (other discrete columns), so that
    ``measure_values(meta["measure"], dict(frame), meta["target"])`` works."""
    y = np.asarray(data[target], float)
    if measure["kind"] == "mean":
        return y
    if measure["kind"] != "squared-error":
        raise ValueError(f"unknown measure {measure['kind']!r}")
    f = np.full(len(y), float(measure["intercept"]))
    for c, w in measure["coef"].items():
        f = f + w * np.asarray(data[c], float)
    for c, eff in measure["levels"].items():
        x = np.asarray(data[c])
        if x.dtype.kind not in "fiu":
            x = np.array([int(str(v)[1:]) for v in x])
        f = f + np.asarray(eff, float)[x.astype(int)]
    return (y - f) ** 2


def _frozen_model(scm: SCM, rng: np.random.Generator, n: int = 20_000) -> dict:
    """Least-squares model of the target on all other columns, fitted on a
    sample of the reference model, as a ``squared-error`` measure."""
    x = scm.simulate(n, rng)
    cols, parts = [], [np.ones(n)]
    for c in scm.observed:
        if c == scm.target:
            continue
        for lev in range(1, scm[c].levels) if scm[c].levels else [0]:
            cols.append((c, lev))
            parts.append((x[c] == lev).astype(float) if scm[c].levels else x[c])
    w = np.linalg.lstsq(np.stack(parts, axis=1), x[scm.target], rcond=None)[0]
    out: dict = {"kind": "squared-error", "intercept": round(float(w[0]), 6), "coef": {}, "levels": {}}
    for (c, lev), b in zip(cols, w[1:]):
        if scm[c].levels:
            out["levels"].setdefault(c, [0.0] * scm[c].levels)[lev] = round(float(b), 6)
        else:
            out["coef"][c] = round(float(b), 6)
    return out


def shapley_with_error(ref: SCM, cur: SCM, changed: Sequence[str], measure: dict,
                       n: int, batches: int, rng: np.random.Generator
                       ) -> Tuple[Dict[str, float], Dict[str, float]]:
    """Shapley contribution of each changed mechanism to the change of the
    mean of a measure, and its Monte Carlo standard error (from ``batches``
    independent batches of ``n`` draws; common random numbers inside)."""
    tgt, players = ref.target, list(changed)
    m = len(players)
    keep: Optional[set] = None
    if measure["kind"] == "mean":
        keep = {tgt} | ref.ancestors(tgt) | cur.ancestors(tgt)
    runs = np.zeros((batches, m))
    for b in range(batches):
        noise = ref.noise(n, rng)
        val: Dict[frozenset, float] = {}
        for r in range(m + 1):
            for sub in itertools.combinations(players, r):
                nodes = _toposort([cur[v.name] if v.name in sub else v for v in ref.nodes])
                x = SCM(nodes, tgt).simulate(n, noise=noise, only=keep)
                val[frozenset(sub)] = float(np.mean(measure_values(measure, x, tgt)))
        for k, c in enumerate(players):
            rest = [q for q in players if q != c]
            for r in range(m):
                w = math.factorial(r) * math.factorial(m - r - 1) / math.factorial(m)
                for sub in itertools.combinations(rest, r):
                    runs[b, k] += w * (val[frozenset(sub) | {c}] - val[frozenset(sub)])
    se = runs.std(axis=0, ddof=1) / math.sqrt(batches) if batches > 1 else np.full(m, np.nan)
    return (dict(zip(players, runs.mean(axis=0).tolist())), dict(zip(players, se.tolist())))


def _plan_multi(spec: "CaseSpec") -> Tuple[SCM, SCM, List[dict], dict]:
    """Models, changes and measure of a case of the suite ``multi``.

    Models and changes are redrawn until the changes matter: the absolute
    contributions sum to at least half a standard deviation of the measure
    (squared error: 30 % of its reference mean), at least two of them are 15 % or more of
    this sum, and they do not cancel (net change at least 30 % of the sum)."""
    _, count, what = spec.kind.split("-", 2)
    for attempt in range(2000):
        rng = np.random.default_rng([*spec.seed, 31, attempt])
        ref = random_scm(spec.family, spec.p, rng)
        tgt = ref.target
        anc = sorted(ref.ancestors(tgt))
        k = int(count)
        if len(anc) + 1 < k:
            continue
        chosen = [str(c) for c in rng.choice(anc, k - 1, replace=False)]
        rest = [c for c in anc + [tgt] if c not in chosen]
        chosen.append(tgt if rng.random() < 0.5 else str(rng.choice(rest)))
        cur = copy.deepcopy(ref)
        changes: List[dict] = []
        for c in chosen:
            kinds = (["root-mean", "root-mean", "root-scale"] if not ref[c].terms else
                     ["coef", "form", "intercept", "soft", "edge-removed", "noise"])
            kd = str(rng.choice(kinds))
            node, text = shift_mechanism(ref, c, kd, spec.strength, rng)
            cur.nodes = [node if v.name == c else v for v in cur.nodes]
            changes.append({"node": c, "kind": kd, "what": text})
        measure = {"kind": "mean"} if what == "mean" else _frozen_model(ref, rng)
        base = measure_values(measure, ref.simulate(10_000, rng), tgt)
        unit = 0.5 * float(np.std(base)) if what == "mean" else 0.3 * float(np.mean(base))
        got, _ = shapley_with_error(ref, cur, chosen, measure, 5000, 2, rng)
        size = np.abs(list(got.values()))
        gross = float(size.sum())
        # with margins, so that the exact values meet the promise too
        if (gross >= 1.1 * unit and (size >= 0.18 * gross).sum() >= 2
                and abs(sum(got.values())) >= 0.35 * gross):
            return ref, cur, changes, measure
    raise RuntimeError(f"no suitable models for {spec}")


def _toposort(nodes: List[Node]) -> List[Node]:
    done, out, todo = set(), [], list(nodes)
    while todo:
        for v in todo:
            if all(q in done for q in v.parents):
                done.add(v.name)
                out.append(v)
                todo.remove(v)
                break
        else:
            raise RuntimeError("cycle")
    return out


def make_case(spec: CaseSpec, n_mc: int = 100_000) -> Case:
    """Generate one case, deterministically from its spec."""
    rng = np.random.default_rng(list(spec.seed))
    kind, strength = spec.kind, spec.strength
    multi = kind.startswith("multi-")
    changes: List[dict] = []
    measure: dict = {"kind": "mean"}
    if multi:
        ref, cur, changes, measure = _plan_multi(spec)
    else:
        ref = random_scm(spec.family, spec.p, rng)
        cur = copy.deepcopy(ref)
    tgt = ref.target
    anc = ref.ancestors(tgt)
    obs = ref.observed
    measured: Dict[str, dict] = {}     # faults that children do not see
    swap: Optional[Tuple[str, str]] = None

    def pick(cands: Iterable[str], prefer_anc: float = 0.8) -> Optional[str]:
        cands = list(cands)
        a = [c for c in cands if c in anc]
        if a and rng.random() < prefer_anc:
            cands = a
        return cands[int(rng.integers(len(cands)))] if cands else None

    roots = [c for c in obs if not ref[c].terms and c != tgt]
    inner = [c for c in obs if ref[c].terms and c != tgt]

    def change(name: str, k: str) -> None:
        node, text = shift_mechanism(ref, name, k, strength, rng)
        cur.nodes = [node if v.name == name else v for v in cur.nodes]
        changes.append({"node": name, "kind": k, "what": text})

    def any_mech(name: str) -> str:
        if not ref[name].terms:
            return str(rng.choice(["root-mean", "root-scale"]))
        return str(rng.choice(MECHANISM_KINDS))

    if kind == "none" or multi:
        pass
    elif kind in ("root-mean", "root-scale"):
        change(pick(roots) or pick(obs[:1]), kind)
    elif kind in MECHANISM_KINDS:
        change(pick(inner) or tgt, kind)
    elif kind == "two":
        a = pick([c for c in obs if c != tgt])
        b = pick([c for c in obs if c != a and ref[c].terms] or [c for c in obs if c != a])
        for c in (a, b):
            change(c, any_mech(c))
    elif kind == "target-only":
        change(tgt, str(rng.choice(["coef", "form", "intercept", "noise", "soft"])))
    elif kind == "covariate-only":
        c = pick(roots, 1.0) or pick(obs[:1])
        change(c, str(rng.choice(["root-mean", "root-scale"])) if not ref[c].terms else "intercept")
    elif kind == "covariate+target":
        c = pick(roots, 1.0) or pick(obs[:1])
        change(c, str(rng.choice(["root-mean", "root-scale"])) if not ref[c].terms else "intercept")
        change(tgt, str(rng.choice(["coef", "form", "intercept"])))
    elif kind == "fault-swap":
        by: Dict[int, List[str]] = {}
        for c in obs:
            if c != tgt:
                by.setdefault(ref[c].levels, []).append(c)
        groups = [g for g in by.values() if len(g) >= 2]
        if not groups:
            kind = "fault-null"
        else:
            g = groups[int(rng.integers(len(groups)))]
            a, b = rng.choice(g, 2, replace=False)
            swap = (str(a), str(b))
            for c in swap:
                changes.append({"node": c, "kind": kind, "what": f"columns {a} and {b} swapped"})
    if kind in ("fault-unit", "fault-stuck", "fault-recode", "fault-null"):
        feats = [c for c in obs if c != tgt]
        if kind == "fault-recode":
            pool = [c for c in feats if ref[c].levels]
            if not pool:
                kind, pool = "fault-unit", feats
        elif kind == "fault-unit":
            pool = [c for c in feats if not ref[c].levels]
            if not pool:
                kind, pool = "fault-recode", feats
        else:
            pool = feats
        c = pick(pool)
        calib = ref.simulate(5000, np.random.default_rng(int(rng.integers(2**31))))[c]
        f = _make_fault(ref[c], kind, strength, calib, rng)
        stream = f["kind"] != "null" and rng.random() < 0.5
        if stream:
            node = copy.deepcopy(ref[c])
            node.fault = f
            cur.nodes = [node if v.name == c else v for v in cur.nodes]
        else:
            measured[c] = f
        changes.append({"node": c, "kind": kind, "what": json.dumps(f),
                        "seen_by_children": bool(stream)})
    cur.nodes = _toposort(cur.nodes)
    shifted = [c["node"] for c in changes]

    # ---- windows
    def window(scm: SCM, n: int, seed: int, current: bool) -> Dict[str, np.ndarray]:
        r = np.random.default_rng([*spec.seed, seed])
        noise = {v.name: v.draw_noise(n, r) for v in sorted(scm.nodes, key=lambda v: v.name)}
        off = int(r.integers(0, 24))
        for z in noise.values():
            z["t"] = z["t"] + off
        data = scm.simulate(n, noise=noise)
        if current:
            for c, f in measured.items():
                data[c] = apply_fault(data[c], f, noise[c]["u"])
            if swap:
                data[swap[0]], data[swap[1]] = data[swap[1]], data[swap[0]]
        return data

    d_ref, d_cur = window(ref, spec.n, 1, False), window(cur, spec.n, 2, True)
    if spec.family == "missing":
        r = np.random.default_rng([*spec.seed, 3])
        plan = []
        for c in obs:
            if c == tgt or r.random() < 0.3:
                continue
            rate = float(r.uniform(0.05, 0.10))
            drivers = [q for q in ref.ancestors(c) if not q.startswith("_")]
            mar = sorted(drivers)[int(r.integers(len(drivers)))] if drivers and r.random() < 0.5 else None
            plan.append((c, rate, mar))
        for d in (d_ref, d_cur):
            full = dict(d)
            for c, rate, mar in plan:
                pr = np.full(spec.n, rate)
                if mar is not None:
                    pr = rate * 2 / (1 + np.exp(-1.5 * np.nan_to_num(full[mar])))
                d[c] = np.where(r.random(spec.n) < np.clip(pr, 0, 0.5), np.nan, d[c])
    ref_df, cur_df = _frame(ref, d_ref), _frame(ref, d_cur)

    # ---- labels
    big = 60_000
    r_ref = SCM([dataclasses.replace(v, rho=0.0) for v in ref.nodes], tgt)
    r_cur = SCM([dataclasses.replace(v, rho=0.0) for v in cur.nodes], tgt)
    pop_r = r_ref.simulate(big, np.random.default_rng([*spec.seed, 11]))
    pop_c = r_cur.simulate(big, np.random.default_rng([*spec.seed, 12]))
    u = np.random.default_rng([*spec.seed, 13]).random(big)
    for c, f in measured.items():
        pop_c[c] = apply_fault(pop_c[c], f, u)
    if swap:
        pop_c[swap[0]], pop_c[swap[1]] = pop_c[swap[1]], pop_c[swap[0]]
    labels, accept, effect, ambiguous = {}, {}, {}, []
    hidden_children = set()
    for c in list(measured) + list(swap or ()):
        if c in measured and measured[c]["kind"] == "null":
            continue
        hidden_children |= {v for v in obs if c in ref.parents(v)}
    hid = [v.name for v in ref.nodes if v.latent]
    for c in obs:
        d = _tv(pop_r[c], pop_c[c]) if ref[c].levels else _ks(pop_r[c], pop_c[c])
        effect[c] = d
        root = not ref.parents(c)
        streamed = [s for s in shifted if s not in measured and not (swap and s in swap)]
        below = any(s in (r_cur.ancestors(c) | ref.ancestors(c)) for s in streamed)
        if c in shifted:
            labels[c] = "root" if root else "mechanism"
            accept[c] = ["mechanism"]
        elif below and d > 0.012:
            labels[c] = "inherited"
            accept[c] = ["inherited"] if d > 1.36 * math.sqrt(2 / spec.n) else ["inherited", "none"]
        else:
            labels[c] = "none"
            accept[c] = ["none", "inherited"] if below else ["none"]
        if c in hidden_children and c not in shifted:
            ambiguous.append(c)
        if swap and c in swap and root and d <= 0.012:
            # a root that took the place of a column with the same marginal:
            # by definition nothing changed for it; still a valid root cause
            ambiguous.append(c)
        for h in hid:                                   # latent confounding
            if h in ref[c].parents and c not in ambiguous:
                pa = set(ref.parents(c))
                up = pa | set().union(*[ref.ancestors(q) for q in pa]) if pa else set()
                other = [v for v in obs if h in ref[v].parents and v != c]
                if any(o in up for o in other) and any(s in up for s in shifted if s != c):
                    if c not in shifted:
                        ambiguous.append(c)
    if spec.family == "missing":
        for c in obs:
            if labels[c] == "none" and len(shifted):
                accept[c] = sorted(set(accept[c]) | {"inherited"})
    cov = [s for s in shifted if s in anc]
    own = tgt in shifted
    tl = ("both" if own and cov else "mechanism" if own else "covariate" if cov else "none")
    t_accept = [tl]
    if not cov and any(s != tgt for s in shifted):
        t_accept = ["mechanism", "both"] if own else ["none", "covariate"]
    t_scored = tgt not in ambiguous
    contrib = {c: 0.0 for c in obs}
    if multi:
        exact, se = shapley_with_error(ref, cur, shifted, measure, 20_000, 10,
                                       np.random.default_rng([*spec.seed, 21]))
        contrib.update(exact)
    elif changes:
        part = shapley_contributions(
            ref, cur, [s for s in shifted if s not in measured and not (swap and s in swap)],
            n_mc, np.random.default_rng([*spec.seed, 21]))
        contrib.update(part)
    meta = {
        "case_id": spec.case_id, "target": tgt, "columns": list(ref_df.columns),
        "edges": [list(e) for e in ref.edges()],
        "discrete": [c for c in ref_df.columns if ref[c].levels],
        "time_ordered": spec.family == "timeseries", "p": spec.p, "n": spec.n,
    }
    truth = {
        "case_id": spec.case_id, "family": spec.family, "kind": kind,
        "strength": strength if kind != "none" else "-", "p": spec.p, "n": spec.n,
        "edges": meta["edges"],
        "edges_current": [list(e) for e in cur.edges()],
        "latent_children": [[v for v in obs if h in ref[v].parents] for h in hid],
        "target": tgt, "shifted": shifted, "changes": changes,
        "labels": labels, "accept": accept, "ambiguous": ambiguous,
        "marginal_effect": effect, "target_label": tl, "target_accept": t_accept,
        "target_scored": t_scored,
        "contribution": contrib,
        "delta_mean_target": float(sum(contrib.values())),
        "target_sd": float(np.nanstd(pop_r[tgt])),
    }
    if multi:
        meta["measure"] = measure
        truth["measure"] = measure["kind"]
        truth["contribution_se"] = {c: se.get(c, 0.0) for c in obs}
        truth["measure_sd"] = float(np.std(measure_values(measure, pop_r, tgt)))
        truth["delta_measure"] = float(sum(contrib.values()))
        if measure["kind"] != "mean":
            truth["delta_mean_target"] = None
    return Case(spec, ref_df, cur_df, meta, truth, ref, cur)


# --------------------------------------------------------------------------
# Suites, files
# --------------------------------------------------------------------------
def suite_specs(suite: str, seed: int) -> List[CaseSpec]:
    """Specs of a named suite: ``multi`` (40, two to four strong changes at
    once, for contributions), ``tiny`` (12), ``small`` (40), ``mid`` (160),
    ``large`` (640), ``hard`` (120, faint and subtle changes only) or ``null``
    (200, no shift at all: calibration).  Families rotate; outside ``null``
    about 20 % of the cases have no shift."""
    if suite == "multi":
        return _multi_specs(seed)
    size, ps, ns = {
        "tiny": (12, [5], [500]),
        "small": (40, [5, 10], [300, 1000]),
        "mid": (160, [5, 5, 10, 10, 20], [300, 1000, 1000, 3000]),
        "hard": (120, [10, 20], [300, 1000, 3000]),
        "null": (200, [5, 10, 20], [300, 1000, 3000]),
        "large": (640, [5, 10, 20, 50], [300, 1000, 5000, 20000]),
    }[suite]
    rng = np.random.default_rng([seed, 7919])
    kinds: List[str] = []
    weights = {"none": 4}
    pool: List[str] = []
    for k in SHIFT_KINDS:
        pool += [k] * weights.get(k, 1)
    out = []
    fam_kinds: Dict[str, List[str]] = {f: [] for f in FAMILIES}
    for i in range(size):
        fam = FAMILIES[i % len(FAMILIES)]
        if not fam_kinds[fam]:
            fam_kinds[fam] = [str(k) for k in rng.permutation(pool)]
        kind = fam_kinds[fam].pop() if suite != "null" else "none"
        strength = str(rng.choice(["faint", "subtle"] if suite == "hard" else
                                  ["subtle", "medium", "medium", "strong"]))
        p = int(rng.choice(ps))
        n = int(rng.choice(ns))
        out.append(CaseSpec(f"c{i:04d}", fam, kind, strength, p, n, (seed, i)))
    return out


def _multi_specs(seed: int, size: int = 40) -> List[CaseSpec]:
    """Specs of the suite ``multi``; three in four cases ask for the change of
    ``E[target]``, the others for the change of a loss."""
    rng = np.random.default_rng([seed, 7919, 2])
    out = []
    for i in range(size):
        fam = MULTI_FAMILIES[i % len(MULTI_FAMILIES)]
        k = 2 + (i // len(MULTI_FAMILIES)) % 3
        what = "loss" if i % 4 == 3 else "mean"
        p, n = int(rng.integers(5, 13)), int(rng.choice([5000, 10000, 20000]))
        out.append(CaseSpec(f"c{i:04d}", fam, f"multi-{k}-{what}", "strong", p, n, (seed, i, 2)))
    return out


def write_case(case: Case, out: Path) -> None:
    """Write a case's parquet and JSON files under ``out/<case_id>``."""
    d = Path(out) / case.spec.case_id
    d.mkdir(parents=True, exist_ok=True)
    case.ref.to_parquet(d / "ref.parquet")
    case.cur.to_parquet(d / "cur.parquet")
    (d / "meta.json").write_text(json.dumps(case.meta, indent=1))
    (d / "truth.json").write_text(json.dumps(case.truth, indent=1))


def load_case(path: Path) -> Tuple[pd.DataFrame, pd.DataFrame, dict, dict]:
    """Read ``(ref, cur, meta, truth)`` of a case folder."""
    path = Path(path)
    return (pd.read_parquet(path / "ref.parquet"), pd.read_parquet(path / "cur.parquet"),
            json.loads((path / "meta.json").read_text()),
            json.loads((path / "truth.json").read_text()))


# --------------------------------------------------------------------------
# Scoring
# --------------------------------------------------------------------------
def score_case(truth: dict, ans: Optional[dict]) -> dict:
    """Counts for one case; ``ans=None`` is a missing answer (time-out)."""
    r = {k: truth[k] for k in ("case_id", "family", "kind", "strength", "p", "n")}
    if "measure" in truth:
        r["measure"] = truth["measure"]
    r["answered"] = ans is not None
    if ans is None:
        return r
    nodes = ans.get("nodes", {})
    tp = fp = fn = ok = lenient = tot = clean = clean_fp = any_alarm = 0
    inh_tot = inh_as_mech = 0
    for c, lab in truth["labels"].items():
        v = nodes.get(c, {}).get("verdict", "none")
        any_alarm |= v != "none"
        if c in truth["ambiguous"]:
            continue
        want = "mechanism" if lab in ("mechanism", "root") else lab
        tot += 1
        ok += v == want
        lenient += v in truth["accept"][c]
        if want == "mechanism":
            tp += v == "mechanism"
            fn += v != "mechanism"
        else:
            fp += v == "mechanism"
            clean += 1
            clean_fp += v == "mechanism"
            if want == "inherited":
                inh_tot += 1
                inh_as_mech += v == "mechanism"
    shifted = [c for c in truth["shifted"]]
    r.update(tp=tp, fp=fp, fn=fn, ok=ok, lenient=lenient, tot=tot, clean=clean,
             clean_fp=clean_fp, inh_tot=inh_tot, inh_as_mech=inh_as_mech,
             noshift=not shifted, alarm=int(any_alarm),
             alarm_mech=int(any(nodes.get(c, {}).get("verdict") == "mechanism" for c in truth["labels"])),
             exact=int(fp == 0 and fn == 0))
    if truth["target_scored"] and ans.get("target_verdict"):
        r["target_ok"] = int(ans["target_verdict"] in truth["target_accept"])
    rank = ans.get("ranking")          # null: does not rank; []: found nothing
    if shifted and rank is not None:
        r["top1"] = int(bool(rank) and rank[0] in shifted)
        r["top3"] = len(set(rank[:3]) & set(shifted)) / min(3, len(set(shifted)))
    con = {c: nodes.get(c, {}).get("contribution") for c in truth["labels"]}
    if any(v is not None for v in con.values()) and shifted:
        tr = truth["contribution"]
        base = sum(abs(x) for x in tr.values())
        # only where the change stands out of the sampling error of a mean
        # difference; below that the metric measures noise, not the method
        sd = truth.get("measure_sd", truth["target_sd"])
        if base > 5 * max(sd, 1e-9) * math.sqrt(2 / truth["n"]):
            r.update(_contribution_scores(truth, nodes, base))
            err = sum(abs((con[c] if con[c] is not None and math.isfinite(con[c]) else 0.0) - tr[c]) for c in tr)
            r["contrib_l1"] = err / base
    if ans.get("seconds") is not None:
        r["seconds"] = float(ans["seconds"])
    return r


def _number(x: object) -> Optional[float]:
    """A finite number, else ``None``."""
    ok = isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)
    return float(x) if ok else None  # type: ignore[arg-type]


def _contribution_scores(truth: dict, nodes: dict, base: float) -> dict:
    """Contribution metrics of one case.  ``base``, the *total change*, is the
    sum of the absolute true contributions (so that it cannot cancel); a
    missing contribution counts as 0."""
    tr = truth["contribution"]
    con = {c: _number(nodes.get(c, {}).get("contribution")) or 0.0 for c in tr}
    moved = [c for c in tr if c in truth["shifted"]]
    out: dict = {
        "contrib_errs": [abs(con[c] - tr[c]) / base for c in moved],
        "contrib_leak": sum(abs(con[c]) for c in tr if c not in moved) / base,
    }
    big = [c for c in moved if abs(tr[c]) > 0.1 * base]
    out["contrib_big"] = len(big)
    out["contrib_sign_ok"] = sum(con[c] * tr[c] > 0 for c in big)
    pairs = [(a, b) for a, b in itertools.combinations(sorted(tr), 2) if abs(tr[a] - tr[b]) > 0.1 * base]
    if pairs:
        out["contrib_rank"] = float(np.mean([np.sign(con[a] - con[b]) * np.sign(tr[a] - tr[b]) for a, b in pairs]))
    inside: Dict[bool, List[bool]] = {True: [], False: []}
    widths = []
    for c in tr:
        lo, hi = (_number(nodes.get(c, {}).get(f"contribution_{k}")) for k in ("low", "high"))
        if lo is not None and hi is not None:
            inside[c in moved].append(lo <= tr[c] <= hi)
            if c in moved:
                widths.append((hi - lo) / base)
    out.update(contrib_in=sum(inside[True]), contrib_intervals=len(inside[True]),
               contrib_in_clean=sum(inside[False]), contrib_intervals_clean=len(inside[False]))
    if widths:
        out["contrib_width"] = float(np.median(widths))
    return out


def _contribution_summary(a: pd.DataFrame) -> dict:
    """Pool the contribution metrics over cases."""
    if "contrib_errs" not in a or not a["contrib_errs"].notna().any():
        return {}
    g = a[a["contrib_errs"].notna()]

    def ratio(x: str, y: str) -> float:
        return float(g[x].sum() / g[y].sum()) if g[y].sum() else float("nan")

    return {
        "contrib_err_median": float(np.median(np.concatenate([np.asarray(e, float) for e in g["contrib_errs"]]))),
        "contrib_leak_median": float(g["contrib_leak"].median()),
        "contrib_sign": ratio("contrib_sign_ok", "contrib_big"),
        "contrib_rank": float(g["contrib_rank"].mean()),
        "contrib_coverage": ratio("contrib_in", "contrib_intervals"),
        "contrib_coverage_clean": ratio("contrib_in_clean", "contrib_intervals_clean"),
        "contrib_width_median": float(g["contrib_width"].median()) if "contrib_width" in g else float("nan"),
    }


def summarise(rows: pd.DataFrame) -> dict:
    """Pool per-case rows into the suite metrics."""
    a = rows[rows["answered"]]
    if not len(a):
        return {"cases": len(rows), "answered": 0}
    tp, fp, fn = a["tp"].sum(), a["fp"].sum(), a["fn"].sum()
    prec = tp / (tp + fp) if tp + fp else float("nan")
    rec = tp / (tp + fn) if tp + fn else float("nan")
    ns = a[a["noshift"] == True]  # noqa: E712

    def mean(col: str, frame: pd.DataFrame = a) -> float:
        return float(frame[col].mean()) if col in frame and frame[col].notna().any() else float("nan")

    return {
        "cases": len(rows), "answered": len(a),
        "fwer_any": mean("alarm", ns), "fwer_mech": mean("alarm_mech", ns),
        "fpr_node_noshift": float(ns["clean_fp"].sum() / max(1, ns["clean"].sum())) if len(ns) else float("nan"),
        "fpr_node": float(a["clean_fp"].sum() / max(1, a["clean"].sum())),
        "inherited_as_mech": float(a["inh_as_mech"].sum() / max(1, a["inh_tot"].sum())),
        "precision": float(prec), "recall": float(rec),
        "f1": float(2 * tp / (2 * tp + fp + fn)) if tp + fp + fn else float("nan"),
        "verdict_acc": float(a["ok"].sum() / a["tot"].sum()),
        "verdict_acc_lenient": float(a["lenient"].sum() / a["tot"].sum()),
        "case_exact": mean("exact"),
        "target_acc": mean("target_ok"), "top1": mean("top1"), "top3": mean("top3"),
        "contrib_l1_median": float(a["contrib_l1"].median()) if "contrib_l1" in a else float("nan"),
        "contrib_n": int(a["contrib_l1"].notna().sum()) if "contrib_l1" in a else 0,
        **_contribution_summary(a),
        "seconds_mean": mean("seconds"),
        "seconds_max": float(a["seconds"].max()) if "seconds" in a else float("nan"),
    }


def score_answers(cases: Path, answers: Path) -> pd.DataFrame:
    """Per-case score rows for a folder of answers."""
    rows = []
    for d in sorted(Path(cases).iterdir()):
        if not (d / "truth.json").exists():
            continue
        truth = json.loads((d / "truth.json").read_text())
        f = Path(answers) / f"{d.name}.json"
        rows.append(score_case(truth, json.loads(f.read_text()) if f.exists() else None))
    return pd.DataFrame(rows)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Command line entry point."""
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = ap.add_subparsers(dest="cmd", required=True)
    m = sub.add_parser("make", help="write the cases of a suite")
    m.add_argument("--suite", default="small", choices=["tiny", "small", "mid", "hard", "null", "large", "multi"])
    m.add_argument("--seed", type=int, default=0)
    m.add_argument("--out", required=True)
    m.add_argument("--family", default=None, help="comma-separated filter")
    s = sub.add_parser("score", help="score a folder of answers")
    s.add_argument("--cases", required=True)
    s.add_argument("--answers", required=True)
    s.add_argument("--by", default="", help="comma-separated breakdown columns")
    s.add_argument("--json", default=None)
    a = ap.parse_args(argv)
    if a.cmd == "make":
        specs = suite_specs(a.suite, a.seed)
        if a.family:
            specs = [x for x in specs if x.family in a.family.split(",")]
        for spec in specs:
            write_case(make_case(spec), Path(a.out))
        print(f"{len(specs)} cases in {a.out}")
        return 0
    rows = score_answers(Path(a.cases), Path(a.answers))
    total = summarise(rows)
    res = {"total": total}
    print(json.dumps(total, indent=1))
    for col in [c for c in a.by.split(",") if c]:
        res[col] = {str(k): summarise(g) for k, g in rows.groupby(col)}
        keep = ["answered", "fwer_mech", "fpr_node", "precision", "recall", "f1",
                "verdict_acc_lenient", "target_acc", "top1", "contrib_err_median",
                "contrib_sign", "contrib_rank", "contrib_coverage", "seconds_mean"]
        print(pd.DataFrame(res[col]).T.reindex(columns=keep).round(3).to_string())
    if a.json:
        Path(a.json).write_text(json.dumps(res, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
