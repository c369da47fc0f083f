import numpy as np
import pandas as pd

import whydrift
from whydrift.discovery.snapshot.snapshot import Snapshot
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
