# SPDX-License-Identifier: Apache-2.0
"""A judge that collects what it has earned by itself, when it is worth a transfer and nothing else is due."""

from types import SimpleNamespace

import pytest

from swarm.clock import wait_for
from swarm.protocol.types import Amount, CaseStatus, SlotId
from tests.unit.verifier.cases import JUDY, observed
from tests.unit.verifier.world import World
from verifier import plan
from verifier.service import Judge


def test_collects_what_is_worth_a_transfer_once_nothing_else_is_to_be_done(journal):
    world = World(observed(CaseStatus.JUDGING), earned=Amount(7))
    account = SimpleNamespace(address=JUDY)
    facts = {"chain": world.chain(), "journal": journal, "account": account}
    judge = Judge(replayer=world, collect_above=Amount(7), **facts)
    assert isinstance(judge.tick(), plan.Replay)
    wait_for(lambda: judge.observe().replaying is None, timeout_seconds=10, what="the replay", period_seconds=0.01)
    assert isinstance(judge.tick(), plan.Verdict)
    world.item = observed(CaseStatus.CLOSED)
    assert judge.tick() == plan.Collect(SlotId(1)) and world.calls[-1] == ("collect", (SlotId(1),))
    assert isinstance(judge.tick(), plan.Rest), "once in an hour is enough"


@pytest.mark.parametrize("least", [Amount(8), None])
def test_leaves_what_is_not_worth_a_transfer(journal, least):
    world = World(observed(CaseStatus.CLOSED), earned=Amount(7))
    account = SimpleNamespace(address=JUDY)
    judge = Judge(chain=world.chain(), replayer=world, journal=journal, account=account, collect_above=least)
    assert isinstance(judge.tick(), plan.Rest)
