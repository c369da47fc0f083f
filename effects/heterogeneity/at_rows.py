"""The covariates of further rows, on the footing of those of a study."""

from __future__ import annotations

from typing import Any

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import SchemaError
from whydrift.effects.columns import is_missing, require
from whydrift.effects.covariates import covariates
from whydrift.effects.frame import as_table
from whydrift.effects.study import Study

__all__ = ["design_at"]


def design_at(study: Study, rows: Any) -> FloatArray:
    """Return the design of other rows: the same columns, levels and powers, not standardised.

    Parameters
    ----------
    study : Study
    rows : frame or mapping of str to columns

    Raises
    ------
    SchemaError
        If a column is absent, has gaps, or holds a word that no row of the study has.
    """
    import pyarrow as pa

    table, _ = as_table(rows)
    names = study.covariates.columns
    for name in names:
        require(table, name, "at")
        if is_missing(table, name).any():
            raise SchemaError(
                f"column {name!r} is missing in some of the rows",
                where="at",
                remedy="Fill the gaps, or leave these rows out",
            )
    ours = study.table.select(names)
    try:
        both = pa.concat_tables([ours, table.select(names)], promote_options="permissive")
        design = covariates(both.unify_dictionaries(), study.roles.adjustment)
    except pa.ArrowException as error:
        raise SchemaError(
            f"its columns are not of the kind they are in the data ({error})",
            where="at",
            remedy="Give numbers where the data have numbers, and words where they have words",
        ) from error
    place = {name: number for number, name in enumerate(design.names)}
    if not set(study.covariates.names) <= set(place) or len(place) != len(study.covariates):
        new = sorted(set(place) ^ set(study.covariates.names))
        raise SchemaError(
            f"they hold what no row of the data has: {', '.join(new[:4])}",
            where="at",
            remedy="Ask for rows of kinds that the data know",
        )
    order = [place[name] for name in study.covariates.names]
    return np.ascontiguousarray(design.design[study.n :, order])
