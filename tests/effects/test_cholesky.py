"""Small equations by LAPACK agree with numpy's, and say what cannot be solved."""

from __future__ import annotations

import numpy as np
import pytest

from whydrift.effects.cholesky import cholesky, is_positive_definite, solved


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
def test_equations_are_solved_in_the_shape_they_were_asked_in(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(20, 4))
    matrix, right = columns.T @ columns, rng.normal(size=shape)
    found = solved(cholesky(matrix), right)
    assert found.shape == shape
    np.testing.assert_allclose(matrix @ found, right, atol=1e-10)


def test_a_matrix_that_is_not_positive_definite_is_refused() -> None:
    matrix = np.diag([1.0, -1.0])
    assert not is_positive_definite(matrix)
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        cholesky(matrix)


def test_nan_is_not_positive_definite() -> None:
    assert is_positive_definite(np.eye(3))
    assert not is_positive_definite(np.diag([1.0, np.nan, 1.0]))
    assert not is_positive_definite(np.full((2, 2), np.nan))
