# SPDX-License-Identifier: Apache-2.0
"""What each transition costs, and a whole job; printed as a table and written to reports/gas.json."""

import json
from pathlib import Path

import pytest
from world import RESULT, SPEC, Terms

REPORT = Path(__file__).resolve().parents[2] / "reports" / "gas.json"
# No transition may grow into the unpayable; whole jobs are compared with the design's figures in the report.
LIMITS = {"unaudited": 420_000, "audited": 750_000, "cheat caught": 1_600_000}


class Meter:
    """Counts the gas of everything the world sends, by function, one entry per story."""

    def __init__(self, world) -> None:
        self._world, self._send = world, world.send
        self.used: list[tuple[str, int]] = []

    def __enter__(self):
        self._world.send = self._measured
        return self

    def __exit__(self, *failure: object) -> None:
        del self._world.send

    def _measured(self, call, *arguments, sender):
        done = self._send(call, *arguments, sender=sender)
        self.used.append((call._name.split(".")[-1], done.gas_used))
        return done

    def total(self) -> int:
        """The job's own transactions: a seed is shared by all jobs of its epoch and counted apart."""
        return sum(gas for name, gas in self.used if name != "submit" or gas < 190_000)


@pytest.fixture
def warm(world):
    """A market that has seen a job: first writes to the pool and to balances are not charged to the story."""
    commitment = world.submitted(drawn=False)
    world.bring_seed(world.job(commitment.job_id)["epoch"])
    world.does(world.escrow.settle, commitment.job_id, sender=world.buyer)
    return world


def unaudited(world) -> None:
    commitment = world.submitted(drawn=False)
    world.bring_seed(world.job(commitment.job_id)["epoch"])
    world.past_deadline(commitment.job_id)
    world.does(world.escrow.settle, commitment.job_id, sender=world.stranger)


def audited(world) -> None:
    commitment = world.audited()
    world.confirm(commitment)
    world.past_deadline(commitment.job_id)
    world.does(world.escrow.settle, commitment.job_id, sender=world.stranger)


def cheat_caught(world) -> None:
    commitment = world.committee()
    segment = world.case(commitment.job_id)["segment"]
    world.votes(commitment, [commitment.other_opening(segment)] * 3)
    world.does(world.court.tally, commitment.job_id, sender=world.stranger)


STORIES = {"unaudited": unaudited, "audited": audited, "cheat caught": cheat_caught}


@pytest.mark.parametrize("name", STORIES)
def test_a_whole_job_stays_payable(warm, name, capsys):
    with Meter(warm) as meter:
        STORIES[name](warm)
    write({name: {"total": meter.total(), "transactions": [list(entry) for entry in meter.used]}})
    with capsys.disabled():
        print(f"\n{name}: {meter.total():,} gas")
        for function, gas in meter.used:
            print(f"    {function:<16}{gas:>10,}")
    assert meter.total() < LIMITS[name]


def test_no_call_grows_with_history(warm):
    """Invariant 23: the same call costs the same after many jobs."""
    with Meter(warm) as first:
        warm.post()
    for _ in range(40):
        warm.send(warm.escrow.post, Terms().values(), sender=warm.buyer)
    with Meter(warm) as later:
        warm.post()
    assert abs(later.total() - first.total()) < 1_000


def test_other_verbs_are_measured_too(warm):
    with Meter(warm) as meter:
        job_id = warm.post()
        warm.does(warm.escrow.cancel, job_id, sender=warm.buyer)
        job_id = warm.accepted()
        warm.does(warm.escrow.abort, job_id, sender=warm.seller)
        warm.does(warm.vault.unbond, 1, sender=warm.seller)
        warm.does(warm.court.leaveSlot, 1, sender=warm.judges[0])
        warm.does(warm.escrow.burn, sender=warm.stranger)
    write({"others": {"transactions": [list(entry) for entry in meter.used]}})
    assert {name for name, _ in meter.used} >= {"cancel", "abort", "unbond", "leaveSlot", "burn"}
    assert SPEC != RESULT


def write(entry: dict) -> None:
    REPORT.parent.mkdir(exist_ok=True)
    report = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    REPORT.write_text(json.dumps(report | entry, indent=1, sort_keys=True) + "\n")
