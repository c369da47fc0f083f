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
    names = ("a", "b", "c", "d", "e")
    known = Knowledge(
        tiers=[["a"], ["b"]],
        required=[("c", "d"), ("d", "e")],
        forbidden=[("a", "d")],
        never_a_cause=["b", "nowhere"],
        exogenous=["c"],
    )
    matrix = known.allowed_matrix(names)
    for i, cause in enumerate(names):
        for j, effect in enumerate(names):
            assert matrix[i, j] == (i != j and known.allows(cause, effect))


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ({"tiers": [["a"], ["a"]]}, ("tiers: a stands in tier 1", "tiers: a stands in tier 2")),
        (
            {"required": [("a", "b")], "forbidden": [("a", "b")]},
            ("required: a → b", "forbidden: a → b"),
        ),
        ({"required": [("a", "b"), ("b", "a")]}, ("required: a → b", "required: b → a")),
        (
            {"required": [("a", "b"), ("b", "c"), ("c", "a")]},
            ("required: a → b → c", "required: c → a"),
        ),
        (
            {"required": [("b", "a")], "tiers": [["a"], ["b"]]},
            ("required: b → a", "tiers: a in tier 1, b in tier 2"),
        ),
        (
            {"required": [("b", "free"), ("free", "a")], "tiers": [["a"], ["b"]]},
            ("required: b → free → a", "tiers: a in tier 1, b in tier 2"),
        ),
        (
            {"required": [("a", "b")], "never_a_cause": ["a"]},
            ("required: a → b", "never_a_cause: a"),
        ),
        ({"required": [("a", "b")], "exogenous": ["b"]}, ("required: a → b", "exogenous: b")),
        (
            {"required": [("a", "b"), ("b", "c")], "never_a_cause": ["b"]},
            ("required: b → c", "never_a_cause: b"),
        ),
        (
            {"required": [("a", "b"), ("b", "c")], "exogenous": ["b"]},
            ("required: a → b", "exogenous: b"),
        ),
    ],
)
def test_a_contradiction_quotes_the_two_statements_that_clash(statements, words):
    with pytest.raises(GraphError) as raised:
        Knowledge(**statements)
    assert all(f'"{quoted}"' in str(raised.value) for quoted in words)


def test_statements_that_only_rule_out_never_clash():
    known = Knowledge(
        tiers=[["a"], ["b"]],
        forbidden=[("a", "b"), ("b", "a")],
        never_a_cause=["a", "b"],
        exogenous=["a", "b"],
    )
    assert not known.allowed_matrix(("a", "b")).any()


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ({"required": ["ab"]}, "not a \\(cause, effect\\) pair"),
        ({"required": [("a", "a")]}, "no column causes itself"),
        ({"exogenous": "abc"}, "'exogenous' is not a list of column names"),
    ],
)
def test_statements_that_make_no_sense_are_refused(statements, words):
    with pytest.raises(GraphError, match=words):
        Knowledge(**statements)


def test_a_way_of_required_edges_forbids_the_way_back():
    known = Knowledge(required=[("a", "b"), ("b", "c")])
    assert known.ruled_out_by("c", "a") == "required: a → b → c"
    assert known.allows("a", "c")


def test_an_unknown_column_names_the_nearest():
    with pytest.raises(GraphError, match="Did you mean 'income'"):
        Knowledge(tiers=[["incme"]]).checked(("income", "price"))


def test_knowledge_within_some_columns_forgets_the_others():
    known = Knowledge(tiers=[["a", "b"], ["c"]], required=[("a", "c")], forbidden=[("b", "a")])
    assert known.within(("a", "b")) == Knowledge(tiers=[["a", "b"], []], forbidden=[("b", "a")])
    assert Knowledge(exogenous=["a", "c"]).within(("a", "b")) == Knowledge(exogenous=["a"])


def test_a_way_through_a_column_that_is_left_out_still_forbids_the_way_back():
    known = Knowledge(required=[("a", "b"), ("b", "c"), ("c", "d")])
    inside = known.within(("a", "c", "d"))
    assert inside.required == (("c", "d"),)
    assert not inside.allows("c", "a")
    assert not inside.allows("d", "a")
    assert inside.allows("a", "d")


def test_knowledge_survives_the_trip_through_a_dict():
    known = Knowledge(
        tiers=[["a"], ["b"]],
        required=[("a", "b")],
        forbidden=[("b", "c")],
        never_a_cause=["b"],
        exogenous=["a"],
    )
    assert Knowledge.from_dict(known.to_dict()) == known


@pytest.mark.parametrize(
    "value",
    [{"tier": []}, {"tiers": "ab"}, {"required": ["ab"]}, {"exogenous": "ab"}, {"exogenous": {}}],
)
def test_a_malformed_dict_is_a_graph_error(value):
    with pytest.raises(GraphError):
        Knowledge.from_dict(value)
