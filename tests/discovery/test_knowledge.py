"""Knowledge refuses contradictions and says which directions it allows."""

from __future__ import annotations

import pytest

from whydrift.discovery import GraphError, Knowledge


def test_a_later_tier_never_causes_an_earlier_one():
    known = Knowledge(tiers=[["region"], ["income", "rooms"], ["price"]])
    assert known.allows("region", "price")
    assert not known.allows("price", "region")
    assert known.allows("income", "rooms")
    assert known.allows("price", "elsewhere")


def test_a_required_edge_forbids_its_reverse():
    known = Knowledge(required=[("a", "b")])
    assert known.allows("a", "b")
    assert not known.allows("b", "a")


def test_the_matrix_says_what_allows_says():
    names = ("a", "b", "c", "d")
    known = Knowledge(tiers=[["a"], ["b"]], required=[("c", "d")], forbidden=[("a", "d")])
    matrix = known.allowed_matrix(names)
    for i, cause in enumerate(names):
        for j, effect in enumerate(names):
            assert matrix[i, j] == (i != j and known.allows(cause, effect))


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ({"tiers": [["a"], ["a"]]}, "tier 1 and in tier 2"),
        ({"required": [("a", "b")], "forbidden": [("a", "b")]}, "both required and forbidden"),
        ({"required": [("a", "b"), ("b", "a")]}, "both required"),
        ({"required": [("a", "b"), ("b", "c"), ("c", "a")]}, "cycle"),
        ({"required": [("b", "a")], "tiers": [["a"], ["b"]]}, "tiers put"),
        ({"required": ["ab"]}, "not a \\(cause, effect\\) pair"),
    ],
)
def test_statements_that_clash_are_refused(statements, words):
    with pytest.raises(GraphError, match=words):
        Knowledge(**statements)


def test_an_unknown_column_names_the_nearest():
    with pytest.raises(GraphError, match="Did you mean 'income'"):
        Knowledge(tiers=[["incme"]]).checked(("income", "price"))


def test_knowledge_within_some_columns_forgets_the_others():
    known = Knowledge(tiers=[["a", "b"], ["c"]], required=[("a", "c")], forbidden=[("b", "a")])
    assert known.within(("a", "b")) == Knowledge(tiers=[["a", "b"], []], forbidden=[("b", "a")])


def test_a_column_put_last_causes_nothing():
    names = ("a", "b", "y")
    known = Knowledge(tiers=[["y"], ["a"]], required=[("y", "b")]).with_last("y", names)
    assert not any(known.allows("y", n) for n in ("a", "b"))
    assert all(known.allows(n, "y") for n in ("a", "b"))


def test_knowledge_survives_the_trip_through_a_dict():
    known = Knowledge(tiers=[["a"], ["b"]], required=[("a", "b")], forbidden=[("b", "c")])
    assert Knowledge.from_dict(known.to_dict()) == known


@pytest.mark.parametrize("value", [{"tier": []}, {"tiers": "ab"}, {"required": ["ab"]}])
def test_a_malformed_dict_is_a_graph_error(value):
    with pytest.raises(GraphError):
        Knowledge.from_dict(value)
