# SPDX-License-Identifier: Apache-2.0
"""The judge's loop over a chain that only remembers what was sent: the right call, with the right words, once."""

import errno
from dataclasses import replace
from types import SimpleNamespace

import pytest

from swarm.chain import reverts
from swarm.clock import wait_for
from swarm.errors import JobFailed, TransientError
from swarm.protocol import commitment, draw
from swarm.protocol.types import (
    MATCH,
    MISMATCH,
    UNAVAILABLE,
    UNDELIVERED,
    ZERO_ADDRESS,
    BallotStatus,
    CaseStatus,
    Comparison,
    Epoch,
    JobId,
    JobStatus,
    SlotId,
)
from tests.unit.seller.test_plan import BOB, NOW, SALLY
from tests.unit.verifier.cases import JUDY, observed, voting
from tests.unit.verifier.world import (
    EVIDENCE,
    LATE_OPERATOR,
    LATE_OWNER,
    LEAF,
    OPENING,
    SEED,
    World,
    finding,
    word,
)
from verifier import plan
from verifier.observer import Observer
from verifier.service import FAILED, FINDING, SEAL, Judge


def judge_of(world, journal) -> Judge:
    account = SimpleNamespace(address=JUDY)
    return Judge(chain=world.chain(), replayer=world, journal=journal, account=account)


def judged(world, journal) -> Judge:
    """A judge that has ended its re-execution."""
    judge = judge_of(world, journal)
    assert isinstance(judge.tick(), plan.Replay)
    wait_for(lambda: judge.observe().replaying is None, timeout_seconds=10, what="the replay", period_seconds=0.01)
    return judge


# verdicts


def test_confirms_with_the_opening_and_its_proof(journal):
    world = World(observed(CaseStatus.JUDGING))
    judged(world, journal).tick()
    assert world.calls[-1] == ("confirm", (world.item.job, OPENING, (SEED,)))


@pytest.mark.parametrize("answer", [finding(matches=False, proof=()), word(UNAVAILABLE)])
def test_denies_with_what_it_found(journal, answer):
    world = World(observed(CaseStatus.JUDGING), answer)
    judged(world, journal).tick()
    assert world.calls[-1] == ("deny", (world.item.job, answer.verdict, EVIDENCE))


@pytest.mark.parametrize("left, is_patient", [(121, True), (120, False)])
def test_waits_for_a_result_until_two_segments_would_just_fit(journal, left, is_patient):
    world = World(observed(CaseStatus.JUDGING, deadline=NOW + left))
    judged(world, journal)
    assert world.calls == [("replay", (2, is_patient))]


def test_tries_again_what_was_not_there_yet(journal):
    world = World(observed(CaseStatus.JUDGING, deadline=NOW + 600), TransientError("not there yet"))
    judge = judged(world, journal)
    assert not journal.items(FINDING) and not journal.items(FAILED)
    assert judge.observe().postponed == {(JobId(1), 0): NOW + 30}


def test_a_failure_of_its_own_is_no_verdict(journal):
    world = World(observed(CaseStatus.JUDGING), JobFailed("out of memory"))
    judge = judged(world, journal)
    assert isinstance(judge.tick(), plan.Rest) and len(world.calls) == 1
    assert journal.items(FAILED) == [("1-0", {"reason": "out of memory"})]


def test_a_match_within_bounds_is_vouched_for_with_its_evidence(journal):
    item = observed(CaseStatus.JUDGING, case={"comparison": Comparison.TOLERANCE})
    world = World(item, word(MATCH))
    judged(world, journal).tick()
    assert world.calls[-1] == ("vouch", (item.job, EVIDENCE))


def test_a_mismatch_beyond_the_bounds_is_denied_with_its_word(journal):
    world = World(observed(CaseStatus.JUDGING, case={"comparison": Comparison.TOLERANCE}), word(MISMATCH))
    judged(world, journal).tick()
    assert world.calls[-1] == ("deny", (world.item.job, MISMATCH, EVIDENCE))


def test_a_full_disk_is_no_failure_of_the_replay(journal):
    no_space = OSError(errno.ENOSPC, "No space left on device")
    world = World(observed(CaseStatus.JUDGING, deadline=NOW + 600), no_space)
    judge = judged(world, journal)
    assert not journal.items(FAILED) and judge.observe().postponed


# committees


def test_seals_for_its_seat_and_round_and_reveals_the_same(journal):
    world = World(voting(BallotStatus.SEALING))
    judge = judged(world, journal)
    judge.tick()
    salt = bytes.fromhex(dict(journal.items(SEAL))["1-1"]["salt"])
    expected = commitment.seal(JobId(1), 1, JUDY, LEAF, EVIDENCE, salt)
    assert world.calls[-1] == ("seal", (world.item.job, 1, 0, expected))
    world.item = voting(BallotStatus.REVEALING, sealed=0b111)
    judge.tick()
    assert world.calls[-1] == ("reveal", (world.item.job, 1, 0, OPENING, EVIDENCE, salt, (SEED,)))


def test_keeps_the_salt_of_a_seal_that_did_not_arrive(journal):
    """A seal nobody can open costs a fee; a second salt would open the wrong one."""
    world = World(voting(BallotStatus.SEALING), refuses={"seal": TransientError("no answer")})
    judge = judged(world, journal)
    judge.tick()
    before = journal.items(SEAL)
    world.refuses.clear()
    judge.tick()
    assert before and journal.items(SEAL) == before and world.calls[-1][0] == "seal"


@pytest.mark.parametrize("verdict", [MATCH, UNAVAILABLE])
def test_votes_with_a_word_on_an_undelivered_result(journal, verdict):
    case = {"segment": UNDELIVERED}
    world = World(voting(BallotStatus.SEALING, case=case), word(verdict, UNDELIVERED))
    judge = judged(world, journal)
    assert world.calls[0][0] == "fetch"
    judge.tick()
    salt = bytes.fromhex(dict(journal.items(SEAL))["1-1"]["salt"])
    sealed = commitment.seal(JobId(1), 1, JUDY, verdict, EVIDENCE, salt)
    assert world.calls[-1] == ("seal", (world.item.job, 1, 0, sealed))
    world.item = voting(BallotStatus.REVEALING, sealed=0b111, case=case)
    judge.tick()
    assert world.calls[-1] == ("reveal_word", (JobId(1), 1, 0, verdict, EVIDENCE, salt))


# who will be drawn


def test_answers_an_audit_that_it_will_be_drawn_for_before_anybody_opens_it(journal):
    """The seed and the job say the segment; the answer opens the audit in the same transaction."""
    item = observed(job_status=JobStatus.SUBMITTED)
    world = World(replace(item, job=replace(item.job, audit_bps=10_000)), to_be=(SlotId(1),))
    judged(world, journal).tick()
    segment = draw.drawn_segment(SEED, JobId(1), world.item.job.segment_root, world.item.job.segments)
    assert world.calls[0][1][0] == segment
    assert world.calls[-1] == ("confirm", (world.item.job, OPENING, (SEED,)))
    assert world.item.job.status is JobStatus.SUBMITTED


def test_draws_a_committee_it_will_sit_in_with_its_own_seal(journal):
    world = World(voting(BallotStatus.DRAWING), to_be=(SlotId(2), SlotId(1), SlotId(3)))
    judged(world, journal).tick()
    name, (job, round_, seat, _, *options) = world.calls[-1]
    assert (name, job, round_, seat, options) == ("seal", world.item.job, 1, 1, ["draws"])


def test_the_last_to_reveal_takes_the_tally(journal):
    world = World(voting(BallotStatus.SEALING))
    judge = judged(world, journal)
    judge.tick()
    world.item = voting(BallotStatus.REVEALING, sealed=0b111, revealed=0b110)
    judge.tick()
    assert world.calls[-1][0] == "reveal" and world.calls[-1][1][-1] == "tallies"


def test_counts_its_turn_to_tally_from_when_it_first_saw_all_votes(journal):
    world = World(voting(BallotStatus.REVEALING, sealed=0b111, revealed=0b111))
    observer = judge_of(world, journal)._observer
    assert [observer.observed(NOW + later)[0].heard_since for later in (0, 3)] == [NOW, NOW]
    world.item = voting(BallotStatus.REVEALING, sealed=0b111, revealed=0b011)
    assert observer.observed(NOW + 4)[0].heard_since == 0


@pytest.mark.parametrize("item", [observed(job_status=JobStatus.SUBMITTED), voting(BallotStatus.DRAWING)])
def test_leaves_opening_and_drawing_to_whom_the_seed_will_draw_for_a_segments_time(journal, item):
    item = replace(item, job=replace(item.job, audit_bps=10_000))
    world = World(item, to_be=(SlotId(7), SlotId(8), SlotId(9)))
    judge = judge_of(world, journal)
    seen = judge.observe()
    (foreseen,) = seen.observed
    assert foreseen.left_until == NOW - 100 + item.job.segment_seconds
    early = replace(seen, now=foreseen.left_until - 1)
    assert isinstance(plan.decide(early), plan.Rest)
    assert isinstance(plan.decide(replace(seen, now=foreseen.left_until)), plan.OpenAudit | plan.DrawCommittee)


def test_waits_for_nobody_where_a_committee_stays_incomplete_or_somebody_has_drawn(journal):
    world = World(voting(BallotStatus.DRAWING), to_be=(SlotId(7), SlotId(8)))
    assert isinstance(judge_of(world, journal).tick(), plan.DrawCommittee)
    world.to_be = reverts.exceptions()["WrongBallotStatus"]("somebody was faster")
    assert judge_of(world, journal).observe().observed[0].left_until == 0


# what anyone may do

SUBMITTED = observed(job_status=JobStatus.SUBMITTED)
MOVES = [
    (SUBMITTED, (SEED, False), "open_audit"),
    (SUBMITTED, (None, False), "submit"),
    (voting(BallotStatus.DRAWING), (None, False), "submit"),
    (voting(BallotStatus.DRAWING), (SEED, False), "draw_committee"),
    (voting(BallotStatus.FAILED), (SEED, False), "tally"),
    (observed(CaseStatus.APPEALABLE, deadline=NOW - 1), (SEED, False), "execute"),
    (observed(CaseStatus.JUDGING, deadline=NOW - 1), (SEED, False), "replace_judge"),
    (observed(CaseStatus.JUDGING, case={"judge": SlotId(0)}), (SEED, False), "volunteer"),
]


@pytest.mark.parametrize("item, seed, call", MOVES, ids=[f"{call}-{at}" for at, (_, _, call) in enumerate(MOVES)])
def test_brings_a_case_to_its_next_step(journal, item, seed, call):
    world = World(item, seed=seed)
    judge_of(world, journal).tick()
    assert [name for name, _ in world.calls] == [call]


def test_brings_the_seed_of_what_is_pending(journal):
    """The committee's epoch while one is to be drawn, else that of the job's own draw."""
    for item, epoch in ((voting(BallotStatus.DRAWING), Epoch(10)), (SUBMITTED, Epoch(9))):
        world = World(item, seed=(None, False))
        judge_of(world, journal).tick()
        assert world.calls == [("submit", (epoch, (3 * epoch, 1)))]


def test_draws_a_committee_again_only_later(journal):
    world = World(voting(BallotStatus.DRAWING, deadline=NOW + 1_000))
    judge = judge_of(world, journal)
    judge.tick()
    assert isinstance(judge.tick(), plan.Rest) and len(world.calls) == 1


@pytest.mark.parametrize("name", ["StaleJob", "WrongCaseStatus", "WrongBallotStatus", "CaseDeadlineRunning"])
def test_a_faster_judge_is_no_error(journal, caplog, name):
    world = World(voting(BallotStatus.FAILED), refuses={"tally": reverts.exceptions()[name]("somebody was faster")})
    assert isinstance(judge_of(world, journal).tick(), plan.Rest)
    assert not [record for record in caplog.records if record.getMessage() == "refused"]


def test_a_refusal_nobody_expects_is_logged_and_holds_up_nothing(journal, caplog):
    world = World(voting(BallotStatus.FAILED), refuses={"tally": reverts.exceptions()["NotSealed"]("odd")})
    judge = judge_of(world, journal)
    judge.tick()
    assert [record.getMessage() for record in caplog.records].count("refused") == 1
    assert judge.observe().refused == {("Tally", (JobId(1), 1)): 1}
    world.refuses.clear()
    judge.tick()
    assert world.calls[-1][0] == "tally" and not judge.observe().refused


# what it sees


def test_bars_the_keys_of_everybody_in_the_case():
    """It volunteers neither for a party nor beside a judge who was late, whichever slot it would use."""
    world = World(observed(CaseStatus.JUDGING, case={"judge": SlotId(0)}), judges=(SlotId(2), SlotId(0)))
    observer = Observer(world.chain(), JUDY, 1)
    assert observer.my_slots() == {SlotId(1)}
    (item,) = observer.observed(NOW)
    assert item.barred == {BOB, SALLY, LATE_OWNER, LATE_OPERATOR} and item.fee == 10
    assert ZERO_ADDRESS not in item.barred


def test_a_seed_made_by_judges_draws_twice_as_often():
    rate = 4_000
    lucky = next(
        seed
        for number in range(100)
        if not draw.is_drawn(seed := commitment.sha256(bytes([number])), JobId(1), SUBMITTED.job.segment_root, rate)
        and draw.is_drawn(seed, JobId(1), SUBMITTED.job.segment_root, 2 * rate)
    )
    item = replace(SUBMITTED, job=replace(SUBMITTED.job, audit_bps=rate))
    seen = [Observer(World(item, seed=(lucky, made)).chain(), JUDY, 1).observed(NOW) for made in (False, True)]
    assert [item.drawn for (item,) in seen] == [False, True]


def test_a_job_that_ended_is_read_no_more():
    world = World(observed(job_status=JobStatus.SETTLED))
    observer = Observer(world.chain(), JUDY, 1)
    assert observer.observed(NOW) == observer.observed(NOW) == [] and world.reads == 1
