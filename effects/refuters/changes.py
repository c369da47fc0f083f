"""Studies that are changed at random, in one way each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray, read_only
from whydrift.discovery.errors import SchemaError
from whydrift.effects.adjustment.nuisance import learner
from whydrift.effects.covariates import covariates
from whydrift.effects.study import Study

__all__ = ["with_made_up_outcome", "with_noise", "with_resampled_rows", "with_shuffled_treatment"]

_NOISE = "a made-up cause"


def with_shuffled_treatment(study: Study, generator: np.random.Generator) -> Study:
    """Hand the same treatments to other rows; to other clusters, where whole clusters had one."""
    values = study.treatment.values
    cluster = study.cluster
    shuffled: FloatArray
    if cluster is not None and (of := _of_clusters(values, cluster)) is not None:
        shuffled = generator.permutation(of)[cluster]
    else:
        shuffled = generator.permutation(values)
    return replace(study, treatment=replace(study.treatment, values=read_only(shuffled)))


def with_noise(study: Study, generator: np.random.Generator) -> Study:
    """Adjust for one more column, of noise that causes nothing."""
    import pyarrow as pa

    table = study.table.append_column(_NOISE, pa.array(generator.normal(size=study.n)))
    terms = (*study.roles.adjustment, _NOISE)
    return replace(
        study,
        table=table,
        roles=replace(study.roles, adjustment=terms),
        covariates=covariates(table, terms),
    )


def with_made_up_outcome(study: Study, generator: np.random.Generator) -> Study:
    """Give every row an outcome that its covariates explain as before, and its treatment does not.

    Numbers are the least-squares fit to the covariates, and the residual of another row; an
    outcome of 0 and 1 is drawn with the chance that a logistic fit says.
    """
    design, outcome = study.covariates.with_intercept, study.outcome
    by = learner("linear", 0)
    made: FloatArray
    if study.outcome_is_binary:
        made = (generator.random(study.n) < by.chance(design, outcome, design)).astype(np.float64)
    else:
        fitted = by.mean(design, outcome, design)
        made = fitted + generator.permutation(outcome - fitted)
    return replace(study, outcome=read_only(made))


def with_resampled_rows(study: Study, generator: np.random.Generator) -> Study:
    """Draw as many rows (or clusters) with replacement.

    Raises
    ------
    SchemaError
        If one arm was not drawn.
    """
    import pyarrow as pa

    if study.cluster is None:
        rows = generator.integers(0, study.n, study.n)
        return _taken(study, rows)
    groups = int(study.cluster.max()) + 1
    members = np.argsort(study.cluster, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(study.cluster))])
    drawn = [members[starts[g] : starts[g + 1]] for g in generator.integers(0, groups, groups)]
    chosen = _taken(study, np.concatenate(drawn))
    # One cluster drawn twice is two clusters.
    name = study.roles.cluster
    assert name is not None
    number = np.repeat(np.arange(groups), [len(rows) for rows in drawn])
    place = chosen.table.column_names.index(name)
    return replace(chosen, table=chosen.table.set_column(place, name, pa.array(number)))


def _taken(study: Study, rows: IntArray) -> Study:
    values = study.treatment.values[rows]
    if len(np.unique(values)) < 2:
        raise SchemaError(
            "the rows that were drawn were all treated alike",
            where=f"treatment {study.roles.treatment!r}",
            remedy="Give more rows",
        )
    table = study.table.take(rows)
    return replace(
        study,
        table=table,
        treatment=replace(study.treatment, values=values),
        outcome=study.outcome[rows],
        covariates=covariates(table, study.roles.adjustment),
        rows=study.rows[rows],
    )


def _of_clusters(values: FloatArray, cluster: IntArray) -> FloatArray | None:
    """Return the value of each cluster, or None where some holds several."""
    first = np.zeros(int(cluster.max()) + 1)
    first[cluster] = values
    return first if (first[cluster] == values).all() else None
