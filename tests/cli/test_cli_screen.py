"""What a person sees: short, safe, and only coloured where colours are wanted."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from conftest import window

from whydrift.discovery.graph import Graph
from whydrift.discovery.plain_text import clean
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.cli.fail_on import findings
from whydrift.monitor.cli.junit import to_junit
from whydrift.monitor.cli.markdown import to_markdown
from whydrift.monitor.cli.table import show_diagnosis
from whydrift.monitor.cli.terminal import console
from whydrift.monitor.diagnosis.diagnosis import (
    Action,
    ColumnResult,
    ColumnVerdict,
    Diagnosis,
    Effect,
    ErrorControl,
    Estimate,
    Fault,
    FaultKind,
    Metric,
    Remedy,
    ShiftType,
    Stage,
    Verdict,
    Window,
)

EVIL = "[red]in\x1b[31mco\nme\u202e[/]"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def diagnosis(columns: dict[str, ColumnResult], **changes: object) -> Diagnosis:
    origins = tuple(name for name, c in columns.items() if c.verdict.is_origin)
    base = Diagnosis(
        id="1", stage=Stage.LABELS, reference=Window(5000), current=Window(2000), target="price",
        prediction=None, targets={}, verdict=Verdict.COVARIATE, faults=(), conditional_shift=False,
        shift_type=None, summary=f"It began at {EVIL}.", columns=columns, ranking=origins,
        metric=None, remedy=Remedy(Action.REWEIGHT, origins, None, "Reweight."),
        graph=Graph(tuple(columns)), error_control=ErrorControl(), warnings=(), seconds={},
        version="0",
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def column(verdict: str, **changes: object) -> ColumnResult:
    return ColumnResult(ColumnVerdict(verdict), "continuous", **changes)  # type: ignore[arg-type]


COLUMNS = {
    EVIL: column("source", p_value=1e-40, effect=Effect(0.4, 0.3, 0.5, "sd"), reason="It moved."),
    "price": column("inherited", p_value=0.4),
    **{f"calm_{i}": column("stable") for i in range(8)},
}


def screen(shown: Diagnosis, stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    show_diagnosis(shown, console(stream))
    return stream.getvalue()


def test_ten_columns_fit_one_screen_and_the_stable_ones_one_line():
    text = screen(diagnosis(COLUMNS))
    assert len(text.splitlines()) <= 24
    assert "8 stable: calm_0, calm_1" in text
    first = text.splitlines()[0]
    assert first.startswith("COVARIATE SHIFT  It began at ")


def test_one_row_is_not_rows():
    text = screen(diagnosis(COLUMNS, current=Window(1)))
    assert "reference 5,000 rows" in text and "current 1 row " in text


def test_names_reach_the_screen_as_text_and_never_as_commands():
    for text in (screen(diagnosis(COLUMNS)), to_markdown(diagnosis(COLUMNS))):
        assert "\x1b" not in text and "\u202e" not in text
        assert "[red]in\\x1b[31mco\\nme\\u202e[/]" in text.replace("\\[", "[").replace(
            "\\]", "]"
        ).replace("\\\\", "\\")


def test_colours_are_for_terminals_that_want_them(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in screen(diagnosis(COLUMNS), Terminal())
    assert "\x1b[" not in screen(diagnosis(COLUMNS))
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in screen(diagnosis(COLUMNS), Terminal())


def test_nothing_is_folded_or_cut_off_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    long = "word " * 200
    text = screen(diagnosis(COLUMNS, summary=long))
    assert long.strip() in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_long_table_is_cut_and_says_so():
    many = {f"c{i}": column("undetermined") for i in range(1000)}
    notes = tuple(Note("constant_column", f"k{i}", f"column k{i} is constant") for i in range(300))
    text = screen(diagnosis(many, warnings=notes))
    assert len(text.splitlines()) < 40
    assert "975 more; --json lists all" in text
    assert "300 × constant column (k0, k1, k2, k3, k4 and 295 more)" in text


def test_a_fault_alone_is_the_word_on_the_first_line():
    fault = Fault(FaultKind.UNIT_CHANGE, ("income",), 1.0, "× 1000")
    columns = {"income": column("fault", fault=FaultKind.UNIT_CHANGE, reason="× 1000.")}
    text = screen(diagnosis(columns, verdict=Verdict.NONE, faults=(fault,)))
    assert text.startswith("FAULT  ")
    assert "fault: unit change" in text


@pytest.mark.parametrize("verdict", [Verdict.NONE, Verdict.UNDETERMINED])
def test_no_shift_is_never_said_above_a_target_that_moved_given_its_inputs(verdict):
    moved = diagnosis(COLUMNS, verdict=verdict, conditional_shift=True)
    for text in (screen(moved), to_markdown(moved).upper(), moved._repr_html_().upper()):
        assert "TARGET MOVED GIVEN ITS INPUTS" in text.splitlines()[0] + text.splitlines()[1]
        assert "NO SHIFT" not in text


def test_contributions_add_up_to_the_whole_change():
    columns = {
        "income": column("source", contribution=Estimate(3.0, 2.0, 4.0)),
        "rooms": column("mechanism", contribution=Estimate(-1.0, -2.0, 0.0)),
    }
    metric = Metric("mean of price", 10.0, 12.5, Estimate(2.5, 2.0, 3.0), unattributed=0.5)
    lines = screen(diagnosis(columns, metric=metric)).splitlines()
    assert "90 % interval" in lines[1]
    rows = {line.rsplit(maxsplit=1)[0]: line.split()[-1] for line in lines if " " in line}
    assert (rows["not attributed"], rows["whole change"]) == ("+0.5", "+2.5")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"verdict": Verdict.NONE}, set()),
        ({"verdict": Verdict.COVARIATE}, {"covariate", "any"}),
        ({"verdict": Verdict.BOTH}, {"covariate", "mechanism", "any"}),
        ({"verdict": Verdict.UNDETERMINED, "ranking": ()}, {"undetermined"}),
        # An input moved for certain; whether that reaches the target the data cannot tell.
        ({"verdict": Verdict.UNDETERMINED}, {"undetermined", "covariate", "any"}),
        (
            {"verdict": Verdict.UNDETERMINED, "ranking": (), "shift_type": ShiftType.COVARIATE},
            {"undetermined", "covariate", "any"},
        ),
        # Inputs that reach neither the target nor the predictions are no finding; the model's are.
        ({"verdict": Verdict.NONE, "shift_type": ShiftType.COVARIATE}, set()),
        (
            {
                "verdict": Verdict.NONE,
                "shift_type": ShiftType.COVARIATE,
                "prediction": "guess",
                "columns": {**COLUMNS, "guess": column("inherited")},
            },
            {"covariate", "any"},
        ),
        ({"verdict": Verdict.NONE, "conditional_shift": True}, {"any"}),
        (
            {"verdict": Verdict.NONE, "faults": (Fault(FaultKind.SWAP, ("a", "b"), 1.0, ""),)},
            {"fault", "any"},
        ),
    ],
)
def test_findings_follow_the_contract(changes, words):
    assert findings(replace(diagnosis(COLUMNS), **changes)) == words


@pytest.mark.parametrize("verdict", [Verdict.NONE, Verdict.UNDETERMINED, Verdict.COVARIATE])
def test_a_suite_of_tests_fails_where_the_command_does(verdict):
    shown = diagnosis(COLUMNS, verdict=verdict)
    failing = "any" in findings(shown)
    text = to_junit(shown, failing=failing, words={"any"})
    assert failing is (verdict is not Verdict.NONE)
    assert text.count("<failure") == (2 if failing else 0)


def test_a_window_that_fails_says_of_what_kind_and_never_none():
    fault = Fault(FaultKind.SWAP, ("a", "b"), 1.0, "")
    for changes, kind in (
        ({"conditional_shift": True}, "conditional"),
        ({"faults": (fault,)}, "fault"),
    ):
        shown = diagnosis(COLUMNS, verdict=Verdict.NONE, **changes)
        window = to_junit(shown, failing=True, words={"any"}).splitlines()[2]
        assert f'name="window"><failure type="{kind}">' in window


def test_clean_cuts_long_text():
    assert clean("x" * 50, 10) == "x" * 9 + "…"


def test_init_lists_columns_and_writes_a_configuration(call, tmp_path):
    import yaml

    frame = window(400, 9).assign(price_hat=1.5, user_id=lambda f: f.index)
    frame["no"] = frame["region"]
    frame.to_csv(tmp_path / "may.csv", index=False)
    look = call("init", tmp_path / "may.csv")
    assert look.status == 0, look.err
    for words in ("400 rows, 7 columns", "continuous", "looks like the target: price", "first"):
        assert words in look.out
    assert not (tmp_path / "whydrift.yaml").exists()
    target = tmp_path / "whydrift.yaml"
    assert call("init", tmp_path / "may.csv", "-o", target).status == 0
    written = yaml.safe_load(target.read_text())
    assert written["version"] == 1
    assert written["sources"]["may"]["files"] == str(tmp_path / "may.csv")
    monitor = written["monitors"][0]
    assert monitor["columns"]["target"] == "price"
    assert monitor["columns"]["prediction"] == "price_hat"
    call("init", tmp_path / "may.csv", "-o", target).refused("exists already", "--force")
    assert call("init", tmp_path / "may.csv", "-o", target, "--force").status == 0


def test_init_can_write_to_standard_output_alone(call, tmp_path, monkeypatch):
    import yaml

    monkeypatch.chdir(tmp_path)
    window(200, 9).to_csv("may.csv", index=False)
    result = call("init", "may.csv", "-o", "-")
    assert result.status == 0 and yaml.safe_load(result.out)["version"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["may.csv"]


def test_init_of_a_handful_of_rows_says_why_it_cannot_judge(call, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y\n")
    assert "too few to compare" in call("init", tmp_path / "t.csv").out


def test_discover_prints_edges_and_writes_every_format(call, tables, tmp_path):
    for suffix in ("json", "dot", "gml", "svg"):
        path = tmp_path / f"graph.{suffix}"
        result = call("discover", tables / "reference.csv", "-o", path)
        assert result.status == 0, result.err
        assert path.read_text().strip()
    assert "income" in result.out and "price" in result.out
    again = call(
        "compare", tables / "reference.csv", tables / "same.csv",
        "--graph", tmp_path / "graph.json", "--quiet",
    )  # fmt: skip
    assert again.status == 0, again.err


def test_shares_of_bootstrap_graphs_are_shown_and_called_that(call, tables, tmp_path):
    path = tmp_path / "graph.json"
    arguments = ("discover", tables / "reference.csv", "--method", "pc", "--bootstrap", "6")
    alone, two = (call(*arguments, "-o", path, "--jobs", jobs) for jobs in ("1", "2"))
    assert two.status == 0, two.err
    assert "shares of 6 bootstrap graphs (draws of rows" in two.out
    assert "not how probable an edge is" in two.out

    def shares(text):
        return text[text.index("shares of 6") : text.index("marks, read")]

    assert shares(alone.out) == shares(two.out)
    stability = json.loads(path.read_text())["stability"]
    assert stability["draws"] == 6
    first = stability["pairs"][0]
    row = next(x for x in two.out.splitlines() if x.split()[:2] == [first["from"], first["to"]])
    assert f"{first['share']:.2f}" in row


def test_discover_learns_from_several_windows(call, tables):
    result = call("discover", tables / "reference.csv", tables / "moved.csv")
    assert result.status == 0, result.err
    assert "in 2 windows" in result.out
    assert "the mechanism of 'income' differs between the windows" in result.out


def test_edges_without_direction_are_what_the_answer_asks_for(call, tables, tmp_path):
    graph = {"edges": [{"from": "income", "to": "price", "mark": "---"}]}
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    result = call(
        "compare", tables / "reference.csv", tables / "moved.csv", "--target", "price",
        "--graph", tmp_path / "graph.json",
    )  # fmt: skip
    first, *_, remedy = [x for x in result.out.splitlines() if not x.startswith("warning")]
    assert first.startswith("UNDETERMINED  price moved; the data cannot tell whether that follows")
    assert "income --- price has no direction" in first
    assert "More rows would not tell" in remedy


@pytest.mark.parametrize(("named", "is_told"), [((), True), (("--prediction", "price_hat"), False)])
def test_a_prediction_that_was_taken_for_a_cause_is_told(call, tmp_path, named, is_told):
    for name, seed in (("may", 1), ("june", 2)):
        frame = window(400, seed)
        frame.assign(price_hat=frame["price"] + frame["income"]).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    done = call("compare", tmp_path / "may.csv", tmp_path / "june.csv", "--target", "price", *named)
    assert done.status in {0, 1}, done.err
    assert ("price_hat looks like a prediction of price" in done.out) == is_told
