import numpy as np
import pandas as pd
import pytest

import whydrift
from tests.diagnosis.worlds import EDGES, houses
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.cli.fail_on import findings
from whydrift.monitor.diagnosis.alert import AlertKind, Outcome, alert_findings
from whydrift.monitor.diagnosis.short_window import how_unusual


def services(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"service{k}": rng.gamma(4, size=rows) for k in range(5)})
    return frame.assign(status=rng.choice(["ok", "slow"], rows, p=[0.99, 0.01]))


def windows(frame: pd.DataFrame) -> tuple[Snapshot, Snapshot]:
    reference = Snapshot.from_frame(services(600, 0))
    return reference, Snapshot.from_frame(frame, schema=reference.schema)


def test_five_rows_are_not_judged_but_the_strangest_column_is_the_first_to_look_at():
    current = services(5, 1)
    current.loc[3:, "service3"] += 30.0
    found = whydrift.compare(services(600, 0), current)
    assert found.ranking == ()
    assert found.suspects[0] == "service3"


@pytest.mark.parametrize("target", ["price", None])
def test_a_window_of_features_that_cannot_be_tested_is_undetermined_and_holds_alerts(target):
    current = houses(12, 2).drop(columns="price") if target else houses(12, 2)
    found = whydrift.compare(houses(1000, 1), current, graph=EDGES, target=target)
    assert found.verdict == "undetermined" and found.remedy.action == "investigate"
    assert "undetermined" in findings(found)
    assert "cannot tell" in found.summary
    covariate = next(f for k, f in alert_findings(found).items() if k.kind is AlertKind.COVARIATE)
    assert covariate.outcome is Outcome.UNKNOWN


def test_one_column_too_rare_to_test_leaves_the_features_judged():
    def features(seed: int) -> pd.DataFrame:
        rare = np.where(np.arange(1000) % 500 == 0, "seen", "never")
        return houses(1000, seed).drop(columns="price").assign(rare=rare)

    reference = features(1).assign(price=houses(1000, 1)["price"])
    graph = [*EDGES, ("rare", "price")]
    found = whydrift.compare(reference, features(2), graph=graph, target="price")
    assert found.columns["rare"].reason_code == "low_power"
    assert found.verdict == "none"
    assert "1 of" in found.summary


def test_without_labels_a_move_that_nothing_explains_is_no_quiet_window():
    reference, current = houses(1500, 1), houses(1500, 2).drop(columns="price")
    current.loc[current.index % 8 == 0, "rooms"] = np.nan
    reference.loc[reference.index % 5 == 0, "rooms"] = np.nan
    found = whydrift.compare(reference, current, graph=EDGES, target="price")
    assert found.columns["rooms"].reason_code == "missingness_changed"
    assert found.verdict == "undetermined"


def test_the_share_of_stretches_as_unusual_is_uniform_where_nothing_changed():
    seeds = range(1, 101)
    shares = [how_unusual(*windows(services(5, seed)), "service0")[0] for seed in seeds]
    assert min(shares) > 0.0
    assert 1 <= sum(share <= 0.1 for share in shares) <= 21  # 10 expected


def test_a_category_is_as_unusual_as_it_is_rare():
    current = services(5, 1).assign(status=["ok", "ok", "ok", "ok", "slow"])
    rare, usual = (how_unusual(*windows(f), "status") for f in (current, services(5, 1)))
    assert rare[1] > usual[1]
    assert rare[0] < 0.1
