# SPDX-License-Identifier: Apache-2.0
"""Judges' words: what may be said in which class, who may vouch, and what a false word costs."""

import pytest
from stories import Reckoning, add, challenge, executed, vote
from world import Terms

from swarm.protocol.lifecycle.verdicts import print_of
from swarm.protocol.types import MATCH, MISMATCH, UNAVAILABLE, CaseStatus, Comparison, JobStatus, Ruling

TOLERANCE = Terms(comparison=Comparison.TOLERANCE)
DELIVERY = Terms(comparison=Comparison.DELIVERY)
EXACT = Terms()
EVIDENCE = b"\xe1" * 32
LEAF = b"\x99" * 32
MAY_DENY = {
    Comparison.EXACT: {UNAVAILABLE, LEAF},
    Comparison.TOLERANCE: {MISMATCH, UNAVAILABLE},
    Comparison.DELIVERY: {UNAVAILABLE},
}


def vouch(world, commitment):
    job_id = commitment.job_id
    return world.does(world.court.vouch, *world.with_job(job_id), EVIDENCE, sender=world.judge_of(job_id))


# which words


@pytest.mark.parametrize("comparison", list(Comparison))
@pytest.mark.parametrize("verdict", [bytes(32), MATCH, MISMATCH, UNAVAILABLE, LEAF])
def test_a_judge_denies_only_with_a_word_of_the_class(world, comparison, verdict):
    commitment = world.audited(Terms(comparison=comparison))
    arguments, judge = (commitment.job_id, verdict, EVIDENCE), world.judge_of(commitment.job_id)
    if verdict in MAY_DENY[comparison]:
        world.does(world.court.deny, *arguments, sender=judge)
        assert world.case(commitment.job_id).denied == print_of(verdict)
    else:
        values = world.refuses(world.court.deny, *arguments, sender=judge, error="UnfitVerdict")
        assert values == (verdict,)


@pytest.mark.parametrize(
    ("terms", "may"),
    [(EXACT, {UNAVAILABLE}), (TOLERANCE, {MATCH, MISMATCH, UNAVAILABLE}), (DELIVERY, {MATCH, UNAVAILABLE})],
)
def test_a_member_reveals_only_a_word_of_the_class(world, terms, may):
    commitment = world.committee(terms)
    for member, word in zip(world.members(commitment.job_id), (MATCH, MISMATCH, UNAVAILABLE), strict=True):
        world.seal(commitment, member, word)
    for member, word in zip(world.members(commitment.job_id), (MATCH, MISMATCH, UNAVAILABLE), strict=True):
        call, arguments = world.revelation(commitment, member, word)
        if word in may:
            world.does(call, *arguments, sender=member)
        else:
            assert world.refuses(call, *arguments, sender=member, error="WrongVerdict") == (word,)


@pytest.mark.parametrize("terms", [TOLERANCE, DELIVERY])
def test_an_opening_is_no_word(world, terms):
    """Only the exact class is judged by preimages."""
    commitment = world.committee(terms)
    member = world.members(commitment.job_id)[0]
    opening = commitment.opening(world.case(commitment.job_id).segment)
    world.seal(commitment, member, opening)
    world.past_case_deadline(commitment.job_id)
    call, arguments = world.revelation(commitment, member, opening)
    assert world.refuses(call, *arguments, sender=member, error="WrongComparison") == (terms.comparison,)


# vouching


def test_vouch_refuses_the_exact_class(world):
    """Who ran the segment can open it: a word is not enough."""
    commitment = world.audited()
    arguments = (*world.with_job(commitment.job_id), EVIDENCE)
    judge = world.judge_of(commitment.job_id)
    values = world.refuses(world.court.vouch, *arguments, sender=judge, error="NotForComparison")
    assert values == (Comparison.EXACT,)


@pytest.mark.parametrize("terms", [TOLERANCE, DELIVERY])
def test_confirm_refuses_the_classes_of_words(world, terms):
    commitment = world.audited(terms)
    segment = world.case(commitment.job_id).segment
    arguments = (*world.with_job(commitment.job_id), commitment.opening(segment), commitment.proof(segment))
    judge = world.judge_of(commitment.job_id)
    values = world.refuses(world.court.confirm, *arguments, sender=judge, error="NotForComparison")
    assert values == (terms.comparison,)


def test_vouch_refuses_everybody_but_the_drawn_judge(world):
    commitment = world.audited(TOLERANCE)
    arguments = (*world.with_job(commitment.job_id), EVIDENCE)
    drawn = world.judge_of(commitment.job_id)
    for sender in (world.seller, world.buyer, next(judge for judge in world.judges if judge != drawn)):
        world.refuses(world.court.vouch, *arguments, sender=sender, error="NotTheJudge")


def test_vouch_refuses_after_the_deadline(world):
    commitment = world.audited(TOLERANCE)
    world.past_case_deadline(commitment.job_id)
    arguments = (*world.with_job(commitment.job_id), EVIDENCE)
    judge = world.judge_of(commitment.job_id)
    world.refuses(world.court.vouch, *arguments, sender=judge, error="CaseDeadlinePassed")


def test_vouch_refuses_a_judge_who_has_denied(world):
    commitment = world.denied(TOLERANCE)
    arguments = (*world.with_job(commitment.job_id), EVIDENCE)
    judge = world.judge_of(commitment.job_id)
    values = world.refuses(world.court.vouch, *arguments, sender=judge, error="WrongCaseStatus")
    assert values == (CaseStatus.JUDGING, CaseStatus.VOTING)


def test_vouch_refuses_an_old_state(world):
    commitment = world.submitted(TOLERANCE)
    old = world.with_job(commitment.job_id)
    world.bring_seed(world.job(commitment.job_id).epoch)
    world.open_audit(commitment.job_id)
    judge = world.judge_of(commitment.job_id)
    world.refuses(world.court.vouch, *old, EVIDENCE, sender=judge, error="StaleJob")


@pytest.mark.parametrize("terms", [TOLERANCE, DELIVERY])
def test_a_judge_who_vouches_is_paid_and_the_job_is_settled(world, terms):
    commitment = world.audited(terms)
    job_id, judge = commitment.job_id, world.name(world.judge_of(commitment.job_id))
    before, held = world.books.wealth(), world.job(job_id).held
    done = vouch(world, commitment)
    fee = world.fee()
    assert world.books.gains(before) == {judge: fee, "buyer": held - terms.max_price - fee}
    assert bytes(done.event("Confirmed")["evidenceCid"]) == EVIDENCE
    assert world.job(job_id).audited and world.status(job_id) is JobStatus.SUBMITTED
    world.settle(job_id)


# committees of words


def test_members_who_all_measure_a_mismatch_slash(world):
    commitment = world.audited(TOLERANCE)
    job_id, denier = commitment.job_id, world.name(world.judge_of(commitment.job_id))
    before = world.books.wealth()
    world.deny(commitment)
    members = executed(world, commitment, [MISMATCH] * 3)
    expected = Reckoning(world, job_id, pool=before["pool"]).slashed(members, first=denier)
    assert world.books.gains(before) == expected


def test_members_who_all_measure_a_match_acquit(world):
    commitment = world.audited(TOLERANCE)
    job_id, denier = commitment.job_id, world.name(world.judge_of(commitment.job_id))
    before = world.books.wealth()
    world.deny(commitment)
    members = executed(world, commitment, [MATCH] * 3)
    expected = Reckoning(world, job_id, pot=5 * world.fee(), pool=before["pool"]).acquitted(members)
    assert world.books.gains(before) == add(expected, {denier: -5 * world.fee()})


def test_a_match_a_mismatch_and_nothing_found_are_three_classes(world):
    commitment = world.committee(TOLERANCE)
    vote(world, commitment, [MATCH, MISMATCH, UNAVAILABLE])
    world.tally(commitment.job_id)
    assert world.case(commitment.job_id).ruling is Ruling.VOID


@pytest.mark.parametrize(("words", "lost"), [([MISMATCH] * 3, 10), ([UNAVAILABLE] * 3, 0), ([MATCH] * 3, 0)])
def test_a_word_that_a_challenge_proves_false_costs_ten_fees_and_the_seat(world, words, lost):
    commitment = world.audited(TOLERANCE)
    case = world.case(commitment.job_id)
    vouch(world, commitment)
    challenge(world, commitment.job_id, case.segment)
    executed(world, commitment, words)
    assert world.bond(case.judge).left == world.params.slot_bond - lost * world.fee()
    assert world.slot(case.judge).is_active == (lost == 0)
