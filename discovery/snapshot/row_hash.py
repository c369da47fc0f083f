"""Numbers that stand for the values of a row, the same wherever and however often it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.snapshot.large_numbers import LARGEST_EXACT

if TYPE_CHECKING:
    import pyarrow as pa

    from whydrift.discovery.snapshot.infer import Coded, Content

__all__ = ["HashArray", "as_shares", "content_hashes", "mixed", "repeated_rows", "row_hashes"]

HashArray = NDArray[np.uint64]

_ROWS_AT_ONCE = 16_384
_TEXTS_AT_ONCE = 65_536
_BASE = 0x9E3779B97F4A7C15  # odd, so that no power of it vanishes
_MISSING = np.uint64(0x7FF8_0000_0000_0001)


def row_hashes(contents: Mapping[str, Content], rows: int) -> HashArray | None:
    """Return a 64-bit number for each row that depends on its values alone.

    Neither on the order of the rows or of the columns, nor on the library that read them. Among
    ten million different rows about three in a million tables have a pair of one number.

    Parameters
    ----------
    contents : mapping of str to Content
        The decoded columns; nested values are not looked at.
    rows : int
        Rows of the table.

    Returns
    -------
    ndarray of uint64, shape (n_rows,), or None
        None where no column can be looked at.
    """
    total = np.zeros(rows, dtype=np.uint64)
    seen = [_add(total, content, _of_name(name)) for name, content in contents.items()]
    return mixed(total) if any(seen) else None


def _add(total: HashArray, content: Content, name: np.uint64) -> bool:
    """Add what a column's values say; whether there is anything to look at."""
    if content.coded is not None:
        # As a sum, so that columns may come in any order.
        total += mixed(_listed(content.coded) ^ name)[content.coded.codes]
        return True
    if content.plain is not None:
        total += mixed(_of_texts(content.plain) ^ name)
        return True
    if content.digits is not None:
        total += mixed(_of_large(content.digits, content.numbers) ^ name)
        return True
    if content.numbers is None:
        if content.storage == "empty":  # in this piece of the window, perhaps not in others
            total += mixed(np.array([_MISSING]) ^ name)
        return False
    # The same as below, in memory that stays in the processor's cache.
    state, spare = np.empty((2, min(len(total), _ROWS_AT_ONCE)), dtype=np.uint64)
    for start in range(0, len(total), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        numbers = content.numbers[part]
        bits, room = state[: len(numbers)], spare[: len(numbers)]
        np.add(numbers, 0.0, out=bits.view(np.float64))
        if content.missing is not None:
            bits[content.missing[part]] = _MISSING
        bits ^= name
        total[part] += mixed(bits, out=bits, spare=room)
    return True


def content_hashes(content: Content) -> HashArray | None:
    """Return a number for each value of a column; None where there is no value to look at."""
    if content.digits is not None:
        return _of_large(content.digits, content.numbers)
    if content.numbers is not None:
        return _of_numbers(content.numbers)
    if content.coded is not None:
        return _listed(content.coded)[content.coded.codes]
    if content.plain is not None:
        return _of_texts(content.plain)
    return None


def _of_numbers(numbers: FloatArray) -> HashArray:
    # One kind of zero and one of NaN, whatever their bits were.
    values: FloatArray = numbers + 0.0
    return np.where(np.isnan(values), _MISSING, values.view(np.uint64))


def _of_large(digits: pa.Array, numbers: FloatArray | None) -> HashArray:
    """Return the numbers of whole ones: of those that a float does not hold, by their digits."""
    assert numbers is not None
    is_held = ~(np.abs(numbers) > LARGEST_EXACT)  # as in a piece of the window without such
    return np.where(is_held, _of_numbers(numbers), _of_texts(digits))


def _listed(coded: Coded) -> HashArray:
    """Return the numbers of the names, and at the end (the place -1) that of a missing value."""
    return np.append(_of_texts(coded.names), _MISSING)


def repeated_rows(hashes: HashArray | None, rows: int) -> BoolArray:
    """Tell for each row whether one before it has the same number; none has where there is none."""
    if hashes is None:
        return np.zeros(rows, dtype=bool)
    out = np.ones(rows, dtype=bool)
    out[np.unique(hashes, return_index=True)[1]] = False
    return out


def mixed(
    state: HashArray, *, out: HashArray | None = None, spare: HashArray | None = None
) -> HashArray:
    """Scatter the bits (splitmix64; Steele, Lea & Flood 2014, Fast splittable generators).

    Parameters
    ----------
    state : ndarray of uint64
    out, spare : ndarray of uint64 of that shape, optional
        Memory for the result, and for work; ``out`` may be ``state`` itself.
    """
    out = np.add(state, np.uint64(0x9E3779B97F4A7C15), out=out)
    spare = np.right_shift(out, np.uint64(30), out=spare)
    out ^= spare
    out *= np.uint64(0xBF58476D1CE4E5B9)
    np.right_shift(out, np.uint64(27), out=spare)
    out ^= spare
    out *= np.uint64(0x94D049BB133111EB)
    np.right_shift(out, np.uint64(31), out=spare)
    out ^= spare
    return out


def as_shares(hashes: HashArray) -> FloatArray:
    """Return hashes as numbers in [0, 1), evenly spread."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _of_name(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big"))


def _of_texts(texts: pa.Array) -> HashArray:
    out = np.empty(len(texts), dtype=np.uint64)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = texts.slice(start, _TEXTS_AT_ONCE)
        out[start : start + len(part)] = _polynomials(part)
    if texts.null_count:
        out[np.asarray(texts.is_null())] = _MISSING
    return out


def _of_one_length(content: Any, present: BoolArray, powers: HashArray) -> HashArray:
    """Return the polynomials of texts that are all as long as each other, as keys often are."""
    out = np.zeros(len(present), dtype=np.uint64)
    if len(content):
        letters = content.reshape(-1, len(powers) - 1)
        sums = np.zeros(len(letters), dtype=np.uint64)
        for place, power in enumerate(powers[:-1]):
            sums += (letters[:, place].astype(np.uint64) + np.uint64(1)) * power
        out[present] = sums
    return out


def _polynomials(texts: Any) -> HashArray:
    """Return each text's bytes as the coefficients of a polynomial, modulo 2**64."""
    _, offsets_buffer, bytes_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[
        texts.offset : texts.offset + len(texts) + 1
    ]
    lengths = np.diff(offsets)
    content = np.zeros(0, dtype=np.uint8)
    if bytes_buffer is not None:
        content = np.frombuffer(bytes_buffer, dtype=np.uint8)[offsets[0] : offsets[-1]]
    powers = np.ones(int(lengths.max(initial=0)) + 1, dtype=np.uint64)
    powers[1:] = np.uint64(_BASE)
    powers = np.multiply.accumulate(powers)
    if lengths.max(initial=0) * np.count_nonzero(lengths) == len(content):
        return mixed(_of_one_length(content, lengths > 0, powers) + lengths.astype(np.uint64))
    place = np.arange(len(content)) - np.repeat(offsets[:-1] - offsets[0], lengths)
    sums = np.zeros(len(content) + 1, dtype=np.uint64)
    np.cumsum((content.astype(np.uint64) + np.uint64(1)) * powers[place], out=sums[1:])
    bounds = offsets - offsets[0]
    return mixed(sums[bounds[1:]] - sums[bounds[:-1]] + lengths.astype(np.uint64))
