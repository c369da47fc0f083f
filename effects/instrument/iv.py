"""Instrumental variables: two-stage least squares and LIML, and whether the instruments hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.chart import Chart, Rule, Series, Side
from whydrift.effects.check import Check, Outcome
from whydrift.effects.covariates import covariates
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ALWAYS, Estimand
from whydrift.effects.extra import library
from whydrift.effects.influence import cluster_check
from whydrift.effects.instrument.anderson_rubin import AndersonRubin, anderson_rubin
from whydrift.effects.instrument.reduced_form import ReducedForm, reduced_form
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.treatment_kind import TreatmentKind
from whydrift.effects.words import interval_text, joined, number_text, p_text

__all__ = ["InstrumentalVariables"]

_WHERE = "method 'iv'"
_WEAK = 10.0  # Staiger & Stock (1997): below, intervals by standard errors cannot be trusted
_OVER_WARN, _OVER_FAIL = 0.05, 0.01
_ALIKE = 1e-10  # share of the treatment that is left once instruments or covariates are out
_NAMES = {"2sls": "two-stage least squares", "liml": "LIML"}


@dataclass(frozen=True)
class _Fit:
    """A coefficient of the treatment, its standard error and degrees of freedom."""

    value: float
    error: float
    freedom: float


@dataclass(frozen=True)
class InstrumentalVariables:
    """What the part of the treatment that the instruments move does to the outcome.

    Where the instruments are weak the Anderson–Rubin interval stands in the place of the one by
    standard errors, and the check says so; it may have no bounds.

    Parameters
    ----------
    estimator : str
        ``2sls``, or ``liml``, which leans less to least squares where there are several weak
        instruments. With one instrument they are the same.
    errors : str
        ``robust`` to unequal spread, or ``classical``. Where a cluster is named, errors allow for
        it.

    References
    ----------
    Imbens & Angrist (1994), Identification and estimation of local average treatment effects.
    Angrist & Imbens (1995), Two-stage least squares estimation of average causal effects in models
    with variable treatment intensity.
    Staiger & Stock (1997), Instrumental variables regression with weak instruments.
    Andrews, Stock & Sun (2019), Weak instruments in IV regression: theory and practice.
    """

    estimator: str = "2sls"
    errors: str = "robust"

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        if self.estimator not in _NAMES:
            raise OptionError(
                f"unknown estimator {self.estimator!r}", where="iv", remedy="Known: 2sls, liml"
            )
        if self.errors not in {"robust", "classical"}:
            raise OptionError(
                f"unknown errors {self.errors!r}", where="iv", remedy="Known: robust, classical"
            )
        models = library("linearmodels.iv", _WHERE)
        instruments, names, notes = _instruments(study)
        adjusted = study.covariates.with_intercept
        _check_treatment(study, instruments, names, adjusted)
        form = reduced_form(
            instruments, study.treatment.values, study.outcome, adjusted,
            robust=self.errors == "robust", cluster=study.cluster,
        )  # fmt: skip
        spec = _spread(self.errors, study.cluster)
        groups = None if study.cluster is None else int(study.cluster.max()) + 1
        sides = (study.outcome, adjusted, study.treatment.values, instruments)
        plain = _least_squares(models, study, adjusted, spec, groups)
        fits = {"2sls": _fit(models.IV2SLS(*sides), spec, groups)}
        if form.count > 1:
            fits["liml"] = _fit(models.IVLIML(*sides), spec, groups)
        fit = fits.get(self.estimator, fits["2sls"])
        held = anderson_rubin(form, question.level)
        weak = _weak_check(form, held, question.level)
        is_weak = weak.outcome is Outcome.FAIL
        # What the estimate would look like to those who trust its standard error is not shown.
        interval = held.hull if is_weak else None
        return question.answer(
            study,
            _estimand(study, names),
            method="iv",
            value=fit.value,
            standard_error=None if is_weak else fit.error,
            freedom=fit.freedom,
            interval=interval,
            p_value=held.p_value if is_weak else None,
            assumptions=_assumptions(study, names),
            checks=(
                weak,
                *_over_identification(models, study, sides, self.errors, form.count),
                _endogeneity(models, study, sides, spec, groups, plain, fit),
                *cluster_check(study.cluster),
            ),
            warnings=notes,
            details={
                "first_stage": _first_stage(form, names, study),
                "anderson_rubin": _set_table(held, question.level),
                "estimates": _estimates(plain, fits, held, question),
            },
            charts=(_chart(study, plain, fits, held, question),),
        )


# ---- reading ----------------------------------------------------------------------------------
def _instruments(study: Study) -> tuple[FloatArray, tuple[str, ...], tuple[Note, ...]]:
    """Return the instruments that the columns adjusted for do not hold already.

    Raises
    ------
    SchemaError
        If none is left.
    """
    own = len(study.covariates)
    both = covariates(study.table, (*study.roles.adjustment, *study.roles.instruments))
    names = both.names[own:]
    if not names:
        raise SchemaError(
            f"instrument {joined(study.roles.instruments)} does not vary, or not apart from what "
            "is adjusted for",
            where="instrument",
            remedy="Name another one, or adjust for fewer columns",
        )
    notes = tuple(note for note in both.notes if note not in study.covariates.notes)
    design = both.design[:, own:]
    scaled = (design - design.mean(axis=0)) / design.std(axis=0)
    return scaled, names, notes


def _check_treatment(
    study: Study, instruments: FloatArray, names: tuple[str, ...], adjusted: FloatArray
) -> None:
    """Raise where nothing is left to be explained of the treatment, or by it of the outcome."""
    treatment = study.treatment.values
    if _share_left(study.outcome, np.column_stack([adjusted, treatment])) <= _ALIKE:
        raise SchemaError(
            f"outcome {study.roles.outcome!r} follows from treatment {study.roles.treatment!r} and "
            "what is adjusted for without an error",
            where="iv",
            remedy="Where one is computed from the other nothing is to be estimated: name another",
        )
    for columns, culprit in (
        (adjusted, "the columns adjusted for"),
        (np.column_stack([adjusted, instruments]), joined(names)),
    ):
        if _share_left(treatment, columns) <= _ALIKE:
            raise SchemaError(
                f"treatment {study.roles.treatment!r} follows from {culprit} without an error",
                where="iv",
                remedy="An instrument moves the treatment, but is not it: name another one, or "
                "compare the values of the treatment itself",
            )


def _share_left(values: FloatArray, columns: FloatArray) -> float:
    """Return the share of the variance that columns with an intercept do not explain."""
    basis, _ = np.linalg.qr(columns)
    left = values - basis @ (basis.T @ values)
    return float(left @ left) / (float(values.var()) * len(values))


# ---- fitting ----------------------------------------------------------------------------------
def _spread(errors: str, cluster: IntArray | None) -> dict[str, Any]:
    if cluster is not None:
        return {"cov_type": "clustered", "clusters": cluster}
    return {"cov_type": "robust" if errors == "robust" else "unadjusted"}


def _fit(model: Any, spec: dict[str, Any], groups: int | None, place: int = -1) -> _Fit:
    found = model.fit(debiased=True, **spec)
    value, error = float(found.params.iloc[place]), float(found.std_errors.iloc[place])
    return _Fit(value, error, float(found.df_resid if groups is None else groups - 1))


def _least_squares(
    models: Any, study: Study, adjusted: FloatArray, spec: dict[str, Any], groups: int | None
) -> _Fit:
    design = np.column_stack([adjusted, study.treatment.values])
    return _fit(models.IV2SLS(study.outcome, design, None, None), spec, groups)


# ---- checking ---------------------------------------------------------------------------------
def _weak_check(form: ReducedForm, held: AndersonRubin, level: float) -> Check:
    strength = form.effective_f
    wanted = form.critical_f()
    many = f"{form.count} instruments" if form.count > 1 else "the instrument"
    said = f"effective first-stage F of {many} is {strength:.1f}"
    set_text = f"the {level:.0%} Anderson–Rubin interval, right however weak, is {held.text}"
    if strength < _WEAK:
        said += (
            f", below {_WEAK:.0f}: the estimate leans towards least squares, and its standard "
            f"error says nothing; {set_text}, and stands in place of the usual one"
        )
    elif strength < wanted:
        said += f"; from {wanted:.1f} on the bias is surely below a tenth of the worst; {set_text}"
    return Check.at_least("weak_instrument", strength, said, warn=wanted, fail=_WEAK)


def _over_identification(
    models: Any, study: Study, sides: tuple[FloatArray, ...], errors: str, count: int
) -> tuple[Check, ...]:
    """Return whether several instruments tell the same story; of one that cannot be asked."""
    if count == 1:
        return ()
    if study.cluster is None and errors == "classical":
        name, found = "Sargan's test", models.IV2SLS(*sides).fit(cov_type="unadjusted").sargan
    else:
        name = "Hansen's J"
        kind = "clustered" if study.cluster is not None else "robust"
        weight = {} if study.cluster is None else {"clusters": study.cluster}
        try:
            model = models.IVGMM(*sides, weight_type=kind, **weight)
            found = model.fit(cov_type=kind, **weight).j_stat
        except ValueError:  # fewer clusters than moments
            said = "there are too few clusters to ask whether the instruments agree"
            return (Check("over_identification", Outcome.WARN, said),)
    p_value = float(found.pval)
    said = f"{name} does not tell the {count} instruments apart ({p_text(p_value)})"
    if p_value < _OVER_WARN:
        said = (
            f"{name} rejects that the {count} instruments find one effect ({p_text(p_value)}): one "
            "of them reaches the outcome by another way, or they move rows whose effects differ"
        )
    return (Check.at_least("over_identification", p_value, said, warn=_OVER_WARN, fail=_OVER_FAIL),)


def _endogeneity(
    models: Any, study: Study, sides: tuple[FloatArray, ...], spec: dict[str, Any],
    groups: int | None, plain: _Fit, fit: _Fit,
) -> Check:  # fmt: skip
    """Return whether least squares would have done as well (Wu–Hausman), with the same errors."""
    from scipy import stats

    outcome, adjusted, treatment, instruments = sides
    basis, _ = np.linalg.qr(np.column_stack([adjusted, instruments]))
    left = treatment - basis @ (basis.T @ treatment)
    design = np.column_stack([adjusted, treatment, left])
    found = _fit(models.IV2SLS(outcome, design, None, None), spec, groups)
    p_value = float(2 * stats.t.sf(abs(found.value) / found.error, found.freedom))
    gap = f"least squares gives {number_text(plain.value, like=fit.value)}"
    said = (
        f"{gap}; the gap is more than chance ({p_text(p_value)}), so that the instrument matters"
        if p_value < 0.05
        else f"{gap}; the gap may be chance (Wu–Hausman {p_text(p_value)}), which does not show "
        "that least squares is right"
    )
    return Check("endogeneity", Outcome.PASS, said, p_value, 0.05)


# ---- telling ----------------------------------------------------------------------------------
def _estimand(study: Study, names: tuple[str, ...]) -> Estimand:
    outcome, contrast = study.roles.outcome, study.treatment.contrast
    moved = joined(names)
    if study.treatment.kind is TreatmentKind.CONTINUOUS:
        return Estimand(
            "late",
            f"average change of {outcome} by {contrast}, over rows as {moved} moves them",
            "E[w · ∂Y(a)/∂a], w ≥ 0 where Z moves A",
        )
    return Estimand(
        "late",
        f"average change of {outcome} by {contrast}, over those whom {moved} moves (compliers)",
        "E[Y(1) − Y(0) | A(z = 1) > A(z = 0)]",
    )


def _assumptions(study: Study, names: tuple[str, ...]) -> tuple[str, ...]:
    treatment, outcome = study.roles.treatment, study.roles.outcome
    each = names[0] if len(names) == 1 else f"Each of {joined(names)}"
    given = ", given the columns adjusted for" if len(study.covariates) else ""
    return (
        f"{each} shares no cause with {outcome}{given} (as good as random)",
        f"{each} reaches {outcome} through {treatment} alone (exclusion)",
        f"{each} moves nobody's {treatment} the other way (monotonicity), or the effect is the "
        "same for all",
        *ALWAYS,
    )


def _first_stage(form: ReducedForm, names: tuple[str, ...], study: Study) -> Table:
    # The instruments were scaled to one standard deviation each.
    return Table.of(
        f"What one standard deviation of each instrument does to {study.roles.treatment}",
        {"instrument": names, "moves by": form.slopes, "standard error": form.slope_errors},
    )


def _set_table(held: AndersonRubin, level: float) -> Table:
    rows = tuple((low, high) for low, high in held.pieces)
    title = f"Effects that the Anderson–Rubin test does not reject ({level:.0%}); an empty end has"
    return Table(f"{title} no bound", ("low", "high"), rows)


def _reach(fit: _Fit, question: Question) -> tuple[float, float]:
    reach = question.quantile(fit.freedom) * fit.error
    return fit.value - reach, fit.value + reach


def _estimates(
    plain: _Fit, fits: dict[str, _Fit], held: AndersonRubin, question: Question
) -> Table:
    rows: list[tuple[str | float | None, ...]] = [
        (name, fit.value, fit.error, *_reach(fit, question))
        for name, fit in (("least squares", plain), *((_NAMES[k], f) for k, f in fits.items()))
    ]
    rows.append(("Anderson–Rubin", None, None, *held.hull))
    columns = ("estimator", "value", "standard error", "low", "high")
    return Table("The same effect by other estimators", columns, tuple(rows))


def _chart(
    study: Study, plain: _Fit, fits: dict[str, _Fit], held: AndersonRubin, question: Question
) -> Chart:
    shown = [("least squares", plain), *((_NAMES[name], fit) for name, fit in fits.items())]
    ends = [_reach(fit, question) for _, fit in shown]
    series = [
        Series.of(
            "", [fit.value], [row], low=[ends[row][0]], high=[ends[row][1]],
            side=Side.TREATED if row else Side.CONTROL,
        )
        for row, (_, fit) in enumerate(shown)
    ]  # fmt: skip
    row = len(shown)
    for low, high in held.pieces:
        inside = [end for end in (low, high) if end is not None]
        middle = sum(inside) / len(inside) if inside else fits["2sls"].value
        series.append(Series("", (middle,), (row,), (low,), (high,), side=Side.NEUTRAL))
    units = f", {question.units}" if question.units else ""
    return Chart(
        "estimators",
        f"Effect of {study.roles.treatment} on {study.roles.outcome} by each estimator "
        f"(Anderson–Rubin: {interval_text(*held.hull)})",
        f"effect on {study.roles.outcome}{units}",
        "",
        tuple(series),
        (Rule("x", 0.0, "no effect"),),
        (*(name for name, _ in shown), "Anderson–Rubin"),
    )
