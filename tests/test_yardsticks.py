"""The yardsticks are the ones that everybody measures with: nobody edits them to win."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

YARDSTICKS = Path(__file__).parent.parent / "benchmarks" / "yardsticks"
HEADER = """\
# whydrift yardsticks 1.0: unchanged below this header.
# SPDX-License-Identifier: Apache-2.0
"""
# A new version of the yardsticks comes with a new number in the header and new sums here.
SHA256 = {
    "check_answers.py": "ef5f72197f3edd410119b84e5a793256d9d0936dfda6db7905864ce53392810b",
    "driftbench.py": "64c1650c9fe360ba1a746d7fd643162ee75d380a1e2ddefd33f20faae4654dd3",
    "graphbench.py": "8d3f1a3a4b0c3136423a1d871dc86299cda969e306bcfdd874b033ee5650699a",
    "streambench.py": "057d399c815ce30cc9118eff3bc70dc278ee80d19cc011dbf34409fc449e39bb",
}


def test_every_yardstick_has_a_recorded_sum():
    assert {path.name for path in YARDSTICKS.glob("*.py")} == set(SHA256)


@pytest.mark.parametrize("name", sorted(SHA256))
def test_a_yardstick_is_unchanged_below_its_header(name):
    text = (YARDSTICKS / name).read_text(encoding="utf-8")
    assert text.startswith(HEADER)
    body = text.removeprefix(HEADER).encode()
    assert hashlib.sha256(body).hexdigest() == SHA256[name]
