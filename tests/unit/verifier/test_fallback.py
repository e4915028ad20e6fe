# SPDX-License-Identifier: Apache-2.0
"""A judge's part in the seed that is made where drand is silent: in time, once, and with nothing read before."""

from dataclasses import replace
from inspect import signature
from types import SimpleNamespace

import pytest

from swarm.chain import reverts
from swarm.chain.beacon import Beacon
from swarm.errors import NotMined, Reverted, TransientError
from swarm.journal import Journal
from swarm.protocol.commitment import sha256
from swarm.protocol.fallback import Attempt, FallbackParameters, secret_commitment
from swarm.protocol.types import ZERO_DIGEST, BallotStatus, Digest, Epoch, JobStatus, Slot, SlotId
from tests.unit.seller.test_plan import NOW
from tests.unit.verifier.cases import JUDY, MINE, OWNER, observed, view, voting
from tests.unit.verifier.world import World
from verifier import plan
from verifier.fallback import SECRET, Close, Commit, Fallback, FixBlock, KeepHash, Outage, Reveal, next_step
from verifier.service import Judge

EPOCH = Epoch(9)
WINDOWS = FallbackParameters(patience=60, commit_seconds=100, reveal_seconds=200)
NOTHING = Attempt(0, 0, 0, 0, 0, ZERO_DIGEST, ZERO_DIGEST)
OPENED = replace(NOTHING, opened_at=NOW, commitments=1)
FIXED = replace(OPENED, block_number=50)
KEPT = replace(FIXED, block_hash=Digest(bytes([7]) * 32))
SEALED, COMMITTING_ENDS, REVEALING_ENDS = frozenset({MINE}), NOW + 100, NOW + 300


def outage(attempt=NOTHING, **changes) -> Outage:
    return replace(Outage(EPOCH, attempt, WINDOWS, block=40, slot=MINE), **changes)


def in_it(attempt, **changes) -> Outage:
    """This judge has committed."""
    return outage(attempt, **{"committed": SEALED, "unrevealed": SEALED} | changes)


# the plan


def test_commits_while_that_is_possible_and_once():
    assert next_step(outage(), now=NOW) == Commit(MINE)
    assert next_step(outage(OPENED), now=COMMITTING_ENDS) == Commit(MINE)
    assert next_step(in_it(OPENED), now=COMMITTING_ENDS) is None
    assert next_step(outage(slot=None), now=NOW) is None


def test_sends_a_commitment_again_that_may_not_have_arrived():
    assert next_step(in_it(OPENED, committed=frozenset()), now=NOW + 1) == Commit(MINE)


def test_fixes_a_block_only_once_committing_is_over():
    """Whoever saw the block coming could choose its secret."""
    assert next_step(in_it(OPENED), now=COMMITTING_ENDS) is None
    assert next_step(in_it(OPENED), now=COMMITTING_ENDS + 1) == FixBlock()
    assert next_step(outage(OPENED), now=COMMITTING_ENDS + 1) == FixBlock()


@pytest.mark.parametrize(
    "block, step", [(49, None), (50, None), (51, KeepHash()), (306, KeepHash()), (307, FixBlock())]
)
def test_keeps_the_hash_while_the_chain_knows_it_and_else_fixes_another(block, step):
    assert next_step(in_it(FIXED, block=block), now=COMMITTING_ENDS + 1) == step


def test_reveals_only_after_the_hash_is_kept_in_time_and_once():
    """Whoever saw the secrets first could choose the block."""
    assert not isinstance(next_step(in_it(FIXED, block=51), now=COMMITTING_ENDS + 1), Reveal)
    assert next_step(in_it(KEPT), now=COMMITTING_ENDS + 1) == Reveal(MINE)
    assert next_step(in_it(KEPT), now=REVEALING_ENDS) == Reveal(MINE)
    assert next_step(in_it(KEPT), now=REVEALING_ENDS + 1) == Close()
    assert next_step(in_it(KEPT, unrevealed=frozenset()), now=REVEALING_ENDS) is None
    assert next_step(outage(KEPT), now=REVEALING_ENDS) is None


def test_a_slot_that_was_left_since_is_still_revealed():
    assert next_step(in_it(KEPT, slot=None), now=COMMITTING_ENDS + 1) == Reveal(MINE)


@pytest.mark.parametrize("attempt", [OPENED, FIXED, KEPT])
def test_closes_whatever_became_of_it(attempt):
    assert next_step(in_it(attempt), now=REVEALING_ENDS + 1) == Close()


def test_waits_for_its_turn_with_what_one_judge_does_for_all_but_a_tenth_of_the_time_at_most():
    fresh = in_it(OPENED)
    assert next_step(fresh, now=COMMITTING_ENDS + 6, turn=6) is None
    assert next_step(fresh, now=COMMITTING_ENDS + 7, turn=6) == FixBlock()
    assert next_step(fresh, now=COMMITTING_ENDS + 21, turn=1_000) == FixBlock()
    assert next_step(fresh, now=REVEALING_ENDS + 6, turn=6) is None
    assert next_step(in_it(KEPT), now=COMMITTING_ENDS + 1, turn=6) == Reveal(MINE)
    assert next_step(outage(), now=NOW, turn=6) == Commit(MINE)


# the judge's plan

WAITING = [
    observed(job_status=JobStatus.SUBMITTED, seed_known=False, outage=outage()),
    voting(BallotStatus.DRAWING, seed_known=False, outage=outage()),
]


@pytest.mark.parametrize("item", WAITING)
def test_makes_the_seed_of_what_waits_for_one(item):
    assert plan.decide(view(item)) == plan.MakeSeed(item, Commit(MINE))
    assert isinstance(
        plan.decide(view(replace(item, seed_known=True))), plan.OpenAudit | plan.DrawCommittee | plan.Rest
    )
    assert isinstance(plan.decide(view(replace(item, outage=None))), plan.Rest)


def test_makes_no_seed_nobody_waits_for():
    judged = voting(BallotStatus.SEALING, seed_known=False, outage=outage())
    assert isinstance(plan.decide(view(judged, mine=frozenset())), plan.Rest)
    answered = replace(WAITING[0], job=replace(WAITING[0].job, audited=True))
    assert isinstance(plan.decide(view(answered)), plan.Rest)


def test_asks_drand_first_and_again_whenever_it_can_only_wait():
    """The seed of the beacon ends the fallback, however far it is."""
    item = replace(WAITING[0], seed_due=True)
    asked = plan.move_of(plan.BringSeed(item))
    assert plan.decide(view(item)) == plan.BringSeed(item)
    assert plan.decide(view(item, refused={asked: 3})) == plan.MakeSeed(item, Commit(MINE))
    waiting = replace(item, outage=in_it(OPENED))
    assert plan.decide(view(waiting, refused={asked: 3})) == plan.BringSeed(waiting)


# acting


class Chain:
    """Remembers what was sent; `refuses` maps a call to what it raises, after or instead of doing it."""

    def __init__(self):
        self.attempt, self.calls, self.refuses, self.reads = NOTHING, [], {}, []
        self.active = True
        steps = ("commit_secret", "fix_block", "keep_block_hash", "reveal_secret", "close_fallback")
        self.beacon = SimpleNamespace(
            fallback_parameters=lambda: self._read("parameters", WINDOWS),
            attempt_of=lambda epoch: self._read("attempt", self.attempt),
            **{name: self._does(name) for name in steps},
        )
        self.client = SimpleNamespace(block_number=lambda: self._read("block", 51))
        self.bench = SimpleNamespace(slot=lambda slot_id: self._read("slot", self._slot(slot_id)))

    def _read(self, what, value):
        self.reads.append(what)
        return value

    def _slot(self, slot_id):
        return Slot(slot_id, OWNER, 1, 0 if self.active or slot_id != MINE else NOW, 0, JUDY, 1)

    def _does(self, name):
        def call(account, *arguments):
            signature(getattr(Beacon, name)).bind(None, account, *arguments)
            if name in self.refuses:
                raise self.refuses[name]
            self.calls.append((name, arguments))

        return call


@pytest.fixture
def chain():
    return Chain()


@pytest.fixture
def journal(tmp_path):
    kept = Journal(tmp_path / "verifier.sqlite")
    yield kept
    kept.close()


def seen(chain, journal, now=NOW) -> Outage | None:
    return Fallback(chain, journal, None).outage(EPOCH, NOW - 60, now, lambda: {SlotId(2), MINE})


def does(chain, journal, step):
    Fallback(chain, journal, None).act(seen(chain, journal), step)


def refusal(name) -> Reverted:
    return reverts.exceptions()[name]("no")


def test_reads_nothing_while_drand_has_time_left(chain, journal):
    fallback = Fallback(chain, journal, None)
    for now in (NOW - 60, NOW - 1):
        assert fallback.outage(EPOCH, NOW - 60, now, lambda: pytest.fail("no slot is needed")) is None
    assert chain.reads == ["parameters"]
    nothing = {"committed": frozenset(), "unrevealed": frozenset()}
    assert fallback.outage(EPOCH, NOW - 60, NOW, lambda: {MINE}) == outage(block=51, **nothing)


def test_commits_for_its_first_active_slot_only(chain, journal):
    assert seen(chain, journal).slot == MINE
    chain.active = False
    assert seen(chain, journal).slot == SlotId(2)


def test_reveals_what_it_committed_after_a_restart(chain, journal):
    does(chain, journal, Commit(MINE))
    chain.attempt = KEPT
    again = seen(chain, journal)
    assert again.committed == again.unrevealed == SEALED
    does(chain, journal, Reveal(MINE))
    (commit, committed), (reveal, revealed) = chain.calls
    assert (commit, reveal) == ("commit_secret", "reveal_secret")
    assert committed == revealed and committed[:2] == (EPOCH, MINE) and len(committed[2]) == 32
    assert not seen(chain, journal).unrevealed


@pytest.mark.parametrize("lost", [TransientError("no answer"), NotMined("not yet")])
def test_keeps_the_secret_of_a_commitment_that_may_have_arrived(chain, journal, lost):
    chain.refuses["commit_secret"] = lost
    with pytest.raises(TransientError):
        does(chain, journal, Commit(MINE))
    before = journal.items(SECRET)
    assert len(before) == 1 and not seen(chain, journal).committed
    assert seen(chain, journal).unrevealed == SEALED
    chain.refuses["commit_secret"] = refusal("AlreadyCommitted")
    does(chain, journal, Commit(MINE))
    ((_, entry),) = journal.items(SECRET)
    assert entry["secret"] == before[0][1]["secret"] and seen(chain, journal).committed == SEALED


def test_what_was_revealed_before_is_not_sent_for_ever(chain, journal):
    does(chain, journal, Commit(MINE))
    chain.refuses["reveal_secret"] = refusal("WrongSecret")
    does(chain, journal, Reveal(MINE))
    assert not seen(chain, journal).unrevealed


def test_every_attempt_has_a_secret_of_its_own(chain, journal):
    does(chain, journal, Commit(MINE))
    chain.attempt = replace(NOTHING, number=1)
    assert not seen(chain, journal).committed and not seen(chain, journal).unrevealed
    does(chain, journal, Commit(MINE))
    first, second = (arguments[2] for _, arguments in chain.calls)
    assert first != second


@pytest.mark.parametrize(
    "step, call, name",
    [
        (Commit(MINE), "commit_secret", "FallbackSeedKnown"),
        (Commit(MINE), "commit_secret", "TooLateNow"),
        (FixBlock(), "fix_block", "BlockAlreadyFixed"),
        (KeepHash(), "keep_block_hash", "BlockNotKnown"),
        (Close(), "close_fallback", "NothingCommitted"),
        (Close(), "close_fallback", "TooSoon"),
    ],
)
def test_a_faster_judge_is_no_error_and_any_other_refusal_is(chain, journal, step, call, name):
    does(chain, journal, step)
    assert [sent for sent, _ in chain.calls] == [call]
    chain.refuses[call] = refusal(name)
    does(chain, journal, step)
    chain.refuses[call] = refusal("OnlyActiveJudge")
    with pytest.raises(Reverted):
        does(chain, journal, step)


def test_the_commitment_is_the_packed_hash_of_the_contract():
    secret = Digest(bytes(range(32)))
    expected = sha256(bytes.fromhex("0000000900000002") + secret)
    assert secret_commitment(EPOCH, SlotId(2), secret) == expected


def test_a_judge_whom_drand_does_not_answer_commits_and_goes_on_asking(journal, caplog):
    world = World(WAITING[0], seed=(None, False))
    chain = world.chain()
    asked = []
    chain.drand.signature = lambda round_: asked.append(round_) or _raise(TransientError("no relay answers"))
    chain.beacon.fallback_parameters = lambda: replace(WINDOWS, patience=100)
    chain.beacon.attempt_of = lambda epoch: NOTHING
    chain.beacon.commit_secret = world.does(Beacon, "commit_secret")
    chain.client.block_number = lambda: 51
    judge = Judge(chain=chain, replayer=world, journal=journal, account=SimpleNamespace(address=JUDY))
    actions = [judge.tick() for _ in range(5)]
    assert [type(action) for action in actions] == [plan.Rest, plan.MakeSeed, plan.Rest, plan.Rest, plan.Rest]
    assert [name for name, _ in world.calls] == ["commit_secret"] and len(asked) == 4
    told = [record.getMessage() for record in caplog.records]
    assert told.count("waiting") == 2, "once before and once after it could do something"


def _raise(error):
    raise error
