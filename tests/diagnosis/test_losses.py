"""Quantile and custom losses, and recorded losses that no longer are what they say."""

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.errors import OptionError, SchemaError
from whydrift.monitor.diagnosis.diagnosis import FaultKind

PAIRS = [("x", "y")]


def window(seed: int, rows: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return pd.DataFrame({"x": x, "y": x + rng.normal(size=rows), "guess": x + 0.3})


def judged(reference: pd.DataFrame, current: pd.DataFrame, loss="auto"):
    return wd.compare(reference, current, graph=PAIRS, target="y", prediction="guess", loss=loss)


def pinball(guess: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(y > guess, 0.9 * (y - guess), 0.1 * (guess - y))


def test_the_quantile_loss_is_the_pinball_loss():
    reference, current = window(1), window(2)
    named, own = judged(reference, current, "quantile:0.9"), judged(reference, current, pinball)
    assert named.metric.name == "quantile:0.9"
    assert own.metric.name == "pinball"
    assert named.metric.current == pytest.approx(pinball(current.guess, current.y).mean())
    assert own.metric.change.low == pytest.approx(named.metric.change.low)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("quantile", "no level"),
        ("quantile:1.5", "no level"),
        ("quantile:half", "no level"),
        ("quantil:0.9", "quantile:0.9"),
        (3, "a int is no loss"),
        (lambda f, y: ((f - y) ** 2).mean(), "one loss a row"),
        (lambda f, y: np.full(len(y), np.nan), "not finite"),
        (lambda f: f, "could not be computed"),
    ],
)
def test_a_loss_that_is_none_is_refused(loss, said):
    with pytest.raises(OptionError, match=said):
        judged(window(1, 60), window(2, 60), loss)


def classified(seed: int, kind: str) -> pd.DataFrame:
    frame = window(seed)
    chance = 1 / (1 + np.exp(-3 * frame["x"]))
    y = (np.random.default_rng(seed).random(len(frame)) < chance).astype(int)
    guess = {
        "chance": chance,
        "saturated": chance.round(1),
        "class": (chance > 0.5).astype(int),
        "class as a number": (chance > 0.5).astype(float),
    }
    return frame.assign(y=y, guess=guess[kind])


@pytest.mark.parametrize("kind", ["chance", "saturated"])
def test_the_0_1_loss_of_probabilities_is_refused(kind):
    with pytest.raises(SchemaError, match="needs predicted classes") as error:
        judged(classified(1, kind), classified(2, kind), "zero_one")
    assert "log_loss" in str(error.value)


def test_the_0_1_loss_of_other_numbers_is_refused():
    with pytest.raises(SchemaError, match="squared_error"):
        judged(window(1), window(2), "zero_one")


@pytest.mark.parametrize("kind", ["class", "class as a number"])
def test_the_0_1_loss_of_classes_is_the_share_of_wrong_rows(kind):
    current = classified(2, kind)
    found = judged(classified(1, kind), current, "zero_one")
    assert found.metric.name == "zero_one"
    assert found.metric.current == pytest.approx((current["guess"] != current["y"]).mean())


def test_rounded_counts_are_classes_and_a_prediction_that_breaks_later_is_a_finding():
    def counted(seed: int) -> pd.DataFrame:
        frame = window(seed)
        return frame.assign(y=(3 * frame["y"]).round(), guess=(3 * frame["guess"]).round())

    found = judged(counted(1), counted(2).assign(guess=lambda f: f["guess"] + 0.5), "zero_one")
    assert found.metric.reference < 1.0 and found.metric.current == 1.0


def test_a_custom_loss_is_not_asked_about_rows_without_a_label():
    current = window(2)
    current.loc[::3, "y"] = np.nan
    found = judged(window(1), current, lambda guess, y: np.abs(guess - y))
    assert found.metric.name == "custom loss"
    assert found.metric.current == pytest.approx((current.guess - current.y).abs().mean())


LOSSES = {
    "squared_error": lambda d: (d.y - d.guess) ** 2,
    "absolute_error": lambda d: (d.y - d.guess).abs(),
    "quantile:0.9": lambda d: pinball(d.guess, d.y),
}


def snapshots(reference: pd.DataFrame, current: pd.DataFrame):
    a = wd.Snapshot.from_frame(reference, roles={"cost": "loss"})
    return a, wd.Snapshot.from_frame(current, schema=a.schema)


@pytest.mark.parametrize("name", LOSSES)
def test_a_recorded_loss_is_checked_against_prediction_and_target(name):
    reference, current = (d.assign(cost=LOSSES[name]) for d in (window(1), window(2)))
    sound = judged(*snapshots(reference, current.astype("float32")))
    assert sound.faults == ()
    current.loc[::10, "cost"] += 1.0
    (fault,) = judged(*snapshots(reference, current)).faults
    assert (fault.kind, fault.columns) == (FaultKind.IDENTITY_BROKEN, ("cost",))
    assert fault.share == pytest.approx(0.1, abs=0.01)


def test_wrong_classes_are_counted_by_the_loss_of_classes():
    def classes(seed: int) -> pd.DataFrame:
        frame = window(seed)
        y, guess = np.where(frame.y > 0, "hot", "cold"), np.where(frame.x > 0, "hot", "cold")
        return frame.assign(y=y, guess=guess, cost=(y != guess).astype(int))

    reference, current = classes(1), classes(2)
    assert judged(*snapshots(reference, current)).faults == ()
    current.loc[::4, "cost"] = 0
    (fault,) = judged(*snapshots(reference, current)).faults
    assert fault.columns == ("cost",)


def test_a_loss_of_another_kind_is_no_broken_identity():
    reference, current = (
        d.assign(cost=np.random.default_rng(3).normal(size=len(d))) for d in (window(1), window(2))
    )
    assert judged(*snapshots(reference, current)).faults == ()


# ---- classes by name ---------------------------------------------------------------------------
def cases(seed: int, rows: int = 1000, more: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    is_bad = x + more + rng.logistic(size=rows) > 0
    return pd.DataFrame(
        {"x": x, "y": np.where(is_bad, "bad", "good"), "guess": 1 / (1 + np.exp(-x))}
    )


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "log_loss"])
def test_a_chance_is_that_of_the_class_that_it_fits_whatever_the_loss(loss):
    reference, current = cases(1), cases(2, more=1.0)
    found = judged(reference, current, loss)
    truth = [
        wd.compare(*(w.assign(y=(w.y == "bad") * 1) for w in (reference, current)), graph=PAIRS,
                   target="y", prediction="guess", loss=loss)
    ][0]  # fmt: skip
    assert found.metric.reference == pytest.approx(truth.metric.reference)
    assert found.metric.current == pytest.approx(truth.metric.current)
    assert found.columns["y"].contribution.value > 0
    assert found.metric.unexplained is not None
    assert "positive_class" in {w.code for w in found.warnings}


def classes(seed: int, more: float = 0.0) -> pd.DataFrame:
    def named(z: np.ndarray) -> np.ndarray:
        return np.select([z < -1, z > 1], ["low", "high"], "middle")

    rng = np.random.default_rng(seed)
    x = 1.5 * rng.normal(size=1500)
    y = named(x + more + 0.5 * rng.normal(size=1500))
    return pd.DataFrame({"x": x, "y": y, "guess": named(x)})


def test_a_class_that_is_new_was_predicted_by_nobody():
    current = classes(2)
    current["y"] = current["y"].where(current["x"] < 1.5, "unheard of")
    found = judged(classes(1), current)
    assert found.metric.current == pytest.approx((current["y"] != current["guess"]).mean())
    assert "the 0-1 loss rose" in found.summary


def test_an_own_loss_of_classes_gets_their_names_and_says_what_retraining_wins():
    def cost(guess: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.where((y == "high") & (guess != "high"), 5.0, (guess != y) * 1.0)

    current = classes(2, more=1.0)
    found = judged(classes(1), current, cost)
    assert found.metric.current == pytest.approx(cost(current["guess"], current["y"]).mean())
    assert found.remedy.action == "retrain"
    assert found.remedy.gain.value > 0.3 * found.metric.change.value


def test_an_own_loss_is_its_own_though_it_is_called_like_one_of_ours():
    def zero_one(guess: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 5.0 * (guess != y)

    reference, current = classes(1), classes(2, more=1.0)
    found, plain = judged(reference, current, zero_one), judged(reference, current)
    assert plain.metric.name == "zero_one"
    assert found.metric.current == pytest.approx(5 * plain.metric.current)


def test_an_own_loss_of_two_predicted_classes_is_won_back_by_another_cut():
    def cost(guess: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.where(guess == y, 0.0, np.where(y == 1, 5.0, 1.0))

    def two(seed: int, more: float) -> pd.DataFrame:
        frame = cases(seed, 1500, more)
        return frame.assign(y=(frame["y"] == "bad") * 1, guess=(frame["x"] > 0) * 1)

    found = judged(two(1, 0.0), two(2, 2.0), cost)
    assert found.remedy.action == "retrain"
    all_bad = cost(np.ones(1500), two(2, 2.0)["y"].to_numpy()).mean()
    assert found.metric.current - found.remedy.gain.value <= all_bad + 0.05


def test_the_log_loss_of_classes_is_told_to_count_none_of_their_chances():
    frames = [
        f.assign(y=(f["y"] == "bad") * 1, guess=(f["x"] > 0) * 1.0) for f in map(cases, (1, 2))
    ]
    found = judged(*frames, "log_loss")
    assert "hard_predictions" in {w.code for w in found.warnings}


@pytest.mark.parametrize("name", ["loss", "sq_err"])
@pytest.mark.parametrize("is_labelled", [True, False])
def test_a_recorded_loss_is_known_by_what_it_is(name, is_labelled):
    def recorded(seed: int, times: float = 1.0) -> pd.DataFrame:
        return window(seed).assign(**{name: lambda f: times * (f["y"] - f["guess"]) ** 2})

    sound, doubled = recorded(2), recorded(2, 2.0)
    if not is_labelled:
        assert not judged(recorded(1), sound.drop(columns="y")).faults
        return
    assert not judged(recorded(1), sound).faults
    (fault,) = judged(recorded(1), doubled).faults
    assert fault.kind is FaultKind.IDENTITY_BROKEN and fault.columns == (name,)


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_predicted_classes_in_numbers_are_turned_to_the_class_that_they_fit(loss):
    def hard(seed: int) -> pd.DataFrame:
        return cases(seed).assign(guess=lambda f: (f["x"] > 0).astype(int))

    found = judged(hard(1), hard(2), loss)
    wrong = ((hard(1)["y"] == "bad") != (hard(1)["guess"] == 1)).mean()
    per_row = 1.0 if loss == "squared_error" else -np.log(1e-12)
    assert found.metric.reference == pytest.approx(per_row * wrong, rel=0.01)
    assert "positive_class" in {w.code for w in found.warnings}


def test_an_own_loss_of_two_named_classes_gets_their_names():
    def named(seed: int, flips: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=1000)
        guess = np.where((x > 0) ^ (rng.random(1000) < flips), "bad", "good")
        y = np.where(x + 0.5 * rng.normal(size=1000) > 0, "bad", "good")
        return pd.DataFrame({"x": x, "y": y, "guess": guess})

    def cost(guess: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 5.0 * ((guess == "good") & (y == "bad"))

    found = judged(named(1, 0.0), named(2, 0.2), cost)
    current = named(2, 0.2)
    assert found.metric.current == pytest.approx(cost(current["guess"], current["y"]).mean())


def test_a_class_that_is_new_to_a_binary_target_leaves_contributions_finite(tmp_path):
    current = cases(2).assign(y=lambda f: (f["y"] == "bad") * 1)
    current.loc[::50, "y"] = 2
    found = judged(cases(1).assign(y=lambda f: (f["y"] == "bad") * 1), current)
    for column in found.columns.values():
        assert column.contribution is None or np.isfinite(column.contribution.value)
    found.save_html(tmp_path / "page.html")


@pytest.mark.parametrize("of", [lambda p: 100 * p, lambda p: np.log(p / (1 - p))])
def test_scores_that_are_no_chances_of_a_binary_target_are_told_to_be_none(of):
    frames = [f.assign(y=(f["y"] == "bad") * 1, guess=of(f["guess"])) for f in (cases(1), cases(2))]
    (text,) = [w.text for w in judged(*frames).warnings if w.code == "no_chances"]
    assert "no chances of 'y'" in text


@pytest.mark.parametrize("how", [{}, {"graph": [("x", "y")]}, {"prediction": "p"}])
def test_an_event_that_never_comes_about_is_judged_by_its_inputs(how: dict):
    """The target is the same in every row of both windows, and in no graph."""
    rng = np.random.default_rng(0)

    def rare(shift: float) -> pd.DataFrame:
        x = rng.normal(shift, 1, 1500)
        return pd.DataFrame({"x": x, "g": rng.choice(list("abc"), 1500), "y": 0,
                             "p": 0.01 + 0.001 * np.abs(x)})  # fmt: skip

    windows = [rare(shift) if how.get("prediction") else rare(shift).drop(columns="p")
               for shift in (0.0, 0.7)]  # fmt: skip
    found = wd.compare(*windows, target="y", **how)
    assert found.ranking == ("x",)
    assert found.verdict in {"covariate", "none"}
    assert "constant_column" in {note.code for note in found.warnings}


def answers(seed: int, yes: str = "yes", no: str = "no") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=800)
    chance = 1 / (1 + np.exp(-x))
    y = np.where(rng.random(800) < chance, yes, no).astype(object)
    return pd.DataFrame({"x": x, "y": y, "guess": chance})


@pytest.mark.parametrize(("yes", "no"), [("YES", "NO"), ("true", "false"), ("1", "0")])
def test_labels_that_cannot_be_read_have_no_mean_and_no_loss_but_never_0(yes, no):
    found = judged(answers(1), answers(2, yes, no))
    assert found.fault and found.metric.name == "log_loss (estimated)"
    (note,) = [w for w in found.warnings if w.code == "no_measure"]
    assert note.column == "y" and note.text.endswith("mend what writes 'y', and compare again")
    plain = [f.drop(columns="guess") for f in (answers(1), answers(2, yes, no))]
    found = wd.compare(*plain, target="y", graph=[("x", "y")])
    assert found.metric is None and "share of" not in found.summary
    assert "no_measure" in {w.code for w in found.warnings}


def test_a_loss_of_some_labels_is_told_to_be_theirs():
    current = answers(2)
    current.loc[400:, "y"] = current.loc[400:, "y"].str.upper()
    found = judged(answers(1), current)
    (note,) = [w for w in found.warnings if w.code == "partly_measured"]
    assert note.column == "y" and "that of the 50.0% of the current labels" in note.text
    assert "partly_measured" not in {w.code for w in judged(answers(1), answers(2)).warnings}


def test_late_labels_that_are_spelt_otherwise_are_a_fault_and_no_change_of_what_leads_to_them():
    current = answers(2)
    current.loc[400:, "y"] = current.loc[400:, "y"].str.upper()
    current.loc[750:, "y"] = None
    found = judged(answers(1), current)
    assert "labels_immature" in {w.code for w in found.warnings}
    assert [(f.kind, f.columns) for f in found.faults] == [(FaultKind.RECODE, ("y",))]
    assert found.verdict == "none"


def test_predicted_0_and_1_of_named_classes_are_told_with_a_remedy():
    frames = [answers(k).assign(guess=lambda f: (f["x"] > 0).astype(int)) for k in (1, 2)]
    told = [w for w in judged(*frames).warnings if w.code == "foreign_classes"]
    assert {w.column for w in told} == {"guess"}
    assert told[0].text.endswith("every row counts as wrong; write both by the same names")


@pytest.mark.parametrize("column", ["y", "guess"])
def test_an_own_loss_that_has_no_value_for_a_class_that_is_new_leaves_its_rows_out(column):
    known = ("low", "middle", "high")
    table = {(a, b): float(a != b) for a in known for b in known}

    def cost(guess: np.ndarray, y: np.ndarray) -> list[float]:
        return [table[pair] for pair in zip(guess, y, strict=True)]

    current = classes(2)
    old = (current["y"] != current["guess"]).to_numpy()[40:]
    current.loc[:39, column] = "unheard of"
    found = judged(classes(1), current, cost)
    assert found.metric.current == pytest.approx(old.mean())
    (note,) = [w for w in found.warnings if w.code == "loss_of_new_class"]
    assert note.column == column and "'unheard of'" in note.text
    with pytest.raises(wd.WhydriftError, match="could not be computed"):  # a mistake of the loss
        table.pop(("low", "low"))
        judged(classes(1), classes(2), cost)
