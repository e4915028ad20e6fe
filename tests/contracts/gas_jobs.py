# SPDX-License-Identifier: Apache-2.0
"""Whole jobs as the commands send them: an answer opens its audit, the first seal draws its committee, the last reveal
tallies. Each story returns the part that is measured."""

from __future__ import annotations

from collections.abc import Callable

from commitments import Commitment
from world import EVIDENCE, SALT, Terms

from swarm.protocol import draw
from swarm.protocol.commitment import seal as seal_of

Act = Callable[[], object]


def together(world, contract, *calls: tuple, sender):
    """Several calls of one contract in one transaction."""
    data = [call.encode_input(*arguments) for call, *arguments in calls]
    return world.does(contract.multicall, data, sender=sender)


def foreseen(world, commitment: Commitment) -> tuple:
    """The drawn judge of an audit nobody has opened, and its segment."""
    job_id = commitment.job_id
    seed = world.bring_seed(world.job(job_id).epoch)
    segment = draw.drawn_segment(seed, job_id, commitment.root, world.job(job_id).segments)
    return world.operator_of(world.escrow.openAudit.call(*world.with_terms(job_id))), segment


def unaudited(world) -> Act:
    return lambda: _unaudited(world, Terms())


def sweep(world) -> Act:
    """A sweep of twenty trials in one job."""
    return lambda: _unaudited(world, Terms(segments=20))


def _unaudited(world, terms: Terms) -> None:
    commitment = world.submitted(terms, drawn=False)
    world.bring_seed(world.job(commitment.job_id).epoch)
    world.settle(commitment.job_id)


def audited(world) -> Act:
    def act() -> None:
        commitment = world.submitted()
        job_id = commitment.job_id
        judge, segment = foreseen(world, commitment)
        opens = (world.court.openAudit, *world.with_terms(job_id))
        opening, proof = commitment.opening(segment), commitment.proof(segment)
        answers = (world.court.confirm, job_id, world.job(job_id).under_audit.state(), opening, proof)
        together(world, world.court, opens, answers, sender=judge)
        world.settle(job_id)

    return act


def cheat(world) -> Act:
    def act() -> None:
        commitment = world.submitted()
        job_id = commitment.job_id
        judge, segment = foreseen(world, commitment)
        opens = (world.court.openAudit, *world.with_terms(job_id))
        answers = (world.court.deny, job_id, commitment.other_leaf(segment), EVIDENCE)
        together(world, world.court, opens, answers, sender=judge)
        convict(world, commitment)
        world.execute(job_id)

    return act


def convict(world, commitment: Commitment) -> None:
    """Three members who find the same: the first draws as it seals, the last tallies as it reveals."""
    job_id, round_ = commitment.job_id, 1
    world.bring_seed(world.ballot(job_id).epoch)
    draws = (world.ballots.drawCommittee, job_id, round_, *world.with_terms(job_id)[1:])
    opening = commitment.other_opening(world.case(job_id).segment)
    leaf = commitment.other_leaf(world.case(job_id).segment)
    members = [world.operator_of(slot) for slot in world.ballots.drawCommittee.call(*draws[1:])]
    for seat, member in enumerate(members):
        sealed = seal_of(job_id, round_, str(member), leaf, EVIDENCE, SALT)
        seals = (world.ballots.seal, job_id, round_, seat, sealed)
        if seat == 0:
            together(world, world.ballots, draws, seals, sender=member)
        else:
            world.does(*seals, sender=member)
    for member in members[:2]:
        world.reveal(commitment, member, opening)
    call, arguments = world.revelation(commitment, members[2], opening)
    together(world, world.ballots, (call, *arguments), (world.ballots.tally, job_id), sender=members[2])
