# SPDX-License-Identifier: Apache-2.0
"""drawCommittee, seal, tally: three judges who cannot see each other's findings."""

from dataclasses import replace

import pytest
from world import EVIDENCE, SALT, Terms

from swarm.protocol.types import BallotStatus, CaseStatus

LEAF = b"\x99" * 32
EMPTY = bytes(32)


@pytest.fixture
def sitting(world):
    """A committee that has been drawn: commitment, segment, members."""
    commitment = world.committee()
    return commitment, world.case(commitment.job_id).segment, world.members(commitment.job_id)


def all_sealed(world, sitting):
    commitment, segment, members = sitting
    for member in members:
        world.seal(commitment, member, commitment.opening(segment))
    return commitment, segment, members


def refuses_draw(world, job_id: int, error: str) -> tuple:
    _, state, terms = world.with_terms(job_id)
    return world.refuses(world.ballots.drawCommittee, job_id, 1, state, terms, sender=world.stranger, error=error)


def refuses_seal(world, job_id: int, member, error: str, *, seat: int | None = None, sealed: bytes = SALT) -> tuple:
    seat = world.seat_of(job_id, member) if seat is None else seat
    return world.refuses(world.ballots.seal, job_id, 1, seat, sealed, sender=member, error=error)


# the court's


def test_only_the_court_calls_closes_cancels_and_releases_ballots(world, sitting):
    job_id, ballots, court = sitting[0].job_id, world.ballots, world.court.address.lower()
    for sender in (world.buyer, world.escrow, world.judges[0]):
        for call, arguments in (
            (ballots.callBallot, (job_id, 1, 0, 0, 3)),
            (ballots.close, (job_id, 1)),
            (ballots.cancel, (job_id, 1)),
            (ballots.release, (job_id, 1, 1, LEAF)),
        ):
            assert world.refuses(call, *arguments, sender=sender, error="OnlyTheCourt") == (court,)


def test_even_the_court_cancels_no_ballot_that_has_a_committee(world, sitting):
    """Its judges would never be released."""
    arguments = (sitting[0].job_id, 1)
    values = world.refuses(world.ballots.cancel, *arguments, sender=world.court, error="WrongBallotStatus")
    assert values == (BallotStatus.DRAWING, BallotStatus.SEALING)


# drawCommittee


def test_draw_committee_refuses_a_case_that_was_not_denied(world):
    job_id = world.audited().job_id
    assert refuses_draw(world, job_id, "WrongBallotStatus") == (BallotStatus.DRAWING, BallotStatus.NONE)


def test_draw_committee_refuses_while_the_fresh_seed_is_unknown(world):
    job_id = world.denied().job_id
    assert refuses_draw(world, job_id, "SeedNotKnown") == (world.ballot(job_id).epoch,)
    world.past_case_deadline(job_id)
    refuses_draw(world, job_id, "SeedNotKnown")


def test_draw_committee_refuses_another_job_or_other_terms(world):
    """They decide whose judges are drawn, and for which fee."""
    job_id = world.audited().job_id
    commitment_terms = Terms()
    world.does(world.court.deny, job_id, LEAF, EVIDENCE, sender=world.judge_of(job_id))
    world.bring_seed(world.ballot(job_id).epoch)
    job, draw = world.job(job_id), world.ballots.drawCommittee
    lie = replace(job, buyer=world.stranger.address).state()
    arguments = (job_id, 1, lie, commitment_terms.values())
    assert world.refuses(draw, *arguments, sender=world.stranger, error="StaleJob") == (job_id,)
    arguments = (job_id, 1, job.state(), replace(commitment_terms, segment_seconds=61).values())
    world.refuses(draw, *arguments, sender=world.stranger, error="StaleDocket")


def test_a_committee_has_three_owners_none_of_whom_has_judged_before(world, sitting):
    commitment, _, members = sitting
    job_id, ballot = commitment.job_id, world.ballot(commitment.job_id)
    assert len({*members, world.judge_of(job_id)}) == 4
    assert not {world.buyer, world.seller} & set(members)
    assert (ballot.status, ballot.size) == (BallotStatus.SEALING, 3)
    assert ballot.deadline == world.rpc.now() + world.params.seal_min_seconds
    assert all(world.bond(slot).cases == 1 for slot in ballot.committee)


def test_a_committee_has_three_times_as_long_as_a_long_segment(world):
    commitment = world.committee(Terms(segment_seconds=7_200, run_seconds=36_000))
    assert world.ballot(commitment.job_id).deadline == world.rpc.now() + 3 * 7_200


def test_a_committee_is_drawn_once(world, sitting):
    values = refuses_draw(world, sitting[0].job_id, "WrongBallotStatus")
    assert values == (BallotStatus.DRAWING, BallotStatus.SEALING)


# seal


def test_seal_refuses_before_a_committee_sits(world):
    job_id = world.denied().job_id
    values = refuses_seal(world, job_id, world.judges[0], "WrongBallotStatus", seat=0)
    assert values == (BallotStatus.SEALING, BallotStatus.DRAWING)


def test_seal_refuses_anybody_outside_the_committee(world, sitting):
    commitment, _, members = sitting
    outsider = world.judge_of(commitment.job_id)
    for seat in (0, 3, 255):
        values = refuses_seal(world, commitment.job_id, outsider, "NotInCommittee", seat=seat)
        assert values == (outsider.address.lower(),)
    refuses_seal(world, commitment.job_id, members[0], "NotInCommittee", seat=1)


def test_seal_refuses_nothing_twice_and_late(world, sitting):
    commitment, segment, members = sitting
    job_id = commitment.job_id
    refuses_seal(world, job_id, members[0], "EmptySeal", sealed=EMPTY)
    world.seal(commitment, members[0], commitment.opening(segment))
    refuses_seal(world, job_id, members[0], "AlreadySealed")
    deadline = world.ballot(job_id).deadline
    world.past_case_deadline(job_id)
    assert refuses_seal(world, job_id, members[1], "DeadlinePassed") == (deadline, deadline + 1)


def test_a_member_seals_in_its_last_second(world, sitting):
    commitment, segment, members = sitting
    world.rpc.next_at(world.ballot(commitment.job_id).deadline)
    done = world.seal(commitment, members[0], commitment.opening(segment))
    assert done.event("Sealed")["judge"] == world.ballot(commitment.job_id).committee[0]


# the end of a ballot


def test_tally_refuses_while_a_sealed_finding_is_missing(world, sitting):
    commitment, segment, members = all_sealed(world, sitting)
    for member in members[:2]:
        world.reveal(commitment, member, commitment.opening(segment))
    deadline = world.ballot(commitment.job_id).deadline
    world.travel_until(deadline)
    arguments = (commitment.job_id,)
    values = world.refuses(world.court.tally, *arguments, sender=world.stranger, error="DeadlineRunning")
    assert values == (deadline, deadline)
    world.past_case_deadline(commitment.job_id)
    world.tally(commitment.job_id)


def test_tally_refuses_before_the_sealing_is_over(world, sitting):
    world.refuses(world.court.tally, sitting[0].job_id, sender=world.stranger, error="DeadlineRunning")


def test_tally_refuses_a_case_without_committee_and_a_closed_one(world):
    commitment = world.denied()
    values = world.refuses(world.court.tally, commitment.job_id, sender=world.stranger, error="WrongBallotStatus")
    assert values == (BallotStatus.REVEALING, BallotStatus.DRAWING)
    commitment = world.audited()
    world.confirm(commitment)
    values = world.refuses(world.court.tally, commitment.job_id, sender=world.stranger, error="WrongCaseStatus")
    assert values == (CaseStatus.VOTING, CaseStatus.CLOSED)
