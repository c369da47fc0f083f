"""Whole numbers from 2**53 on: a float does not tell them from their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from whydrift.discovery.arrays import FloatArray

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LARGEST_EXACT", "are_rounded", "digits_of"]

LARGEST_EXACT: Final = 2**53 - 1  # 2**53 is the float of the number after it, too


def digits_of(array: pa.ChunkedArray, numbers: FloatArray) -> pa.Array | None:
    """Return whole numbers as texts, which lose no digit; None where floats lose none either.

    Parameters
    ----------
    array : pyarrow.ChunkedArray
        Integers, or decimals without a fraction.
    numbers : ndarray of shape (n_rows,)
        The same as floats.
    """
    import pyarrow as pa

    if not _any_beyond(numbers):
        return None
    texts = array.cast(pa.large_string()).combine_chunks()
    return pa.concat_arrays(texts.chunks) if isinstance(texts, pa.ChunkedArray) else texts


def are_rounded(texts: pa.Array, numbers: FloatArray) -> bool:
    """Whether whole numbers that differ became one float.

    Parameters
    ----------
    texts : pyarrow.Array of large_string, length n_rows
        Numbers as they are written.
    numbers : ndarray of shape (n_rows,)
        The same as floats; NaN where missing or no number.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not _any_beyond(numbers):
        return False
    with np.errstate(invalid="ignore"):
        large = np.abs(numbers) > LARGEST_EXACT
    trimmed = pc.utf8_trim_whitespace(texts.filter(pa.array(large)))
    # Other ways to write one number, such as 1e20, are no other number.
    is_plain = pc.match_substring_regex(trimmed, r"^-?[1-9]\d*$")
    kept = is_plain.to_numpy(zero_copy_only=False)
    different = pc.count_distinct(trimmed.filter(is_plain)).as_py()
    return bool(different > np.unique(numbers[large][kept]).size)


def _any_beyond(numbers: FloatArray) -> bool:
    if not len(numbers) or max(-numbers.min(), numbers.max()) <= LARGEST_EXACT:
        return False
    present = numbers[~np.isnan(numbers)]  # a NaN among them made both NaN
    return bool(present.size and max(-present.min(), present.max()) > LARGEST_EXACT)
