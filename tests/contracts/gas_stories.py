# SPDX-License-Identifier: Apache-2.0
"""What is measured: each story prepares what is not its own, and returns the part that is."""

from __future__ import annotations

from commitments import Commitment
from eth_account import Account
from eth_utils import keccak
from gas_jobs import Act, audited, cheat, sweep, unaudited
from rpc import encode_words
from world import EVIDENCE, RESULT, START, Terms

from swarm.protocol.commitment import segment_digest, sha256
from swarm.protocol.parameters import TOKEN
from swarm.protocol.types import MATCH, Comparison

LATER = START + 10_000_000  # whatever ran before, every story begins here


def contracts(world) -> dict[str, str]:
    """Addresses by the contracts' names."""
    made = (world.token, world.vault, world.beacon, world.bench, world.ballots, world.court, world.escrow)
    return {contract._name: contract.address for contract in made}


def warm(world) -> None:
    """Jobs of the same seller before: pool, burnable, balances and reputation are not empty.

    The audited one had another payer, so that an audit of this buyer's is this seller's first from it.
    """
    world.travel_until(LATER)
    commitment = world.submitted(drawn=False)
    world.bring_seed(world.job(commitment.job_id).epoch)
    world.settle(commitment.job_id)
    job_id = world.post(buyer=world.stranger)
    world.accept(job_id)
    commitment = world.submit(job_id)
    world.bring_seed(world.job(job_id).epoch)
    world.open_audit(job_id)
    world.confirm(commitment)
    world.settle(job_id)


# a case whose every step is a transaction of its own


def stepwise(world) -> Act:
    def act() -> None:
        commitment = world.committee()
        opening = commitment.other_opening(world.case(commitment.job_id).segment)
        judge = world.case(commitment.job_id).judge
        world.ruled(commitment, [opening] * 3)
        world.does(world.bench.collect, judge, sender=world.stranger)

    return act


def confirmed(world) -> Act:
    commitment = world.audited()
    return lambda: world.confirm(commitment)


# single functions


def post_many(world) -> Act:
    specs = [sha256(b"spec %d" % i) for i in range(20)]
    return lambda: world.does(world.escrow.postMany, Terms().values(), specs, sender=world.buyer)


def endings(world) -> Act:
    def act() -> None:
        job_id = world.post()
        world.does(world.escrow.cancel, *world.with_job(job_id), sender=world.buyer)
        job_id = world.accepted()
        world.does(world.escrow.abort, *world.with_job(job_id), sender=world.seller)
        world.accept(job_id)
        world.past_deadline(job_id)
        world.does(world.escrow.refund, *world.with_job(job_id), sender=world.stranger)
        world.does(world.escrow.burn, sender=world.stranger)

    return act


def hand_back(world) -> Act:
    def act() -> None:
        job_id = world.accepted(Terms(parts=2))
        part = Commitment(job_id, 3)
        trace, output, cid = part.opening(2)
        last = (segment_digest(trace, output), cid, part.proof(2))
        arguments = (*world.with_terms(job_id), (RESULT, part.root, 3), last)
        world.does(world.escrow.handBack, *arguments, sender=world.seller)

    return act


def challenged(world) -> Act:
    commitment = world.submitted(drawn=False)
    job_id = commitment.job_id

    def act() -> None:
        world.does(world.court.challenge, *world.with_terms(job_id), 0, sender=world.buyer)
        world.does(world.court.joinChallenge, *world.with_job(job_id), sender=world.stranger)

    return act


def replaced(world) -> Act:
    commitment = world.audited()
    return lambda: world.replace_judge(commitment.job_id)


def volunteered(world) -> Act:
    commitment = world.audited()
    job_id = commitment.job_id
    for _ in range(6):
        world.replace_judge(job_id)
    (judge,) = world.more_judges(1)
    slot_id = world.bench.slotCount()
    return lambda: world.does(world.court.volunteer, *world.with_terms(job_id), slot_id, sender=judge)


def canary(world) -> Act:
    terms = Terms(comparison=Comparison.TOLERANCE)
    commitment = world.audited(terms, canaries=range(terms.segments))
    job_id, segment = commitment.job_id, world.case(commitment.job_id).segment
    opening, proof = commitment.opening(segment), commitment.proof(segment)

    def act() -> None:
        world.does(world.court.vouch, *world.with_job(job_id), EVIDENCE, sender=world.judge_of(job_id))
        world.does(world.court.exposeCanary, *world.with_job(job_id), opening, proof, sender=world.buyer)

    return act


def words(world) -> Act:
    commitment = world.committee(Terms(comparison=Comparison.TOLERANCE))
    return lambda: world.votes(commitment, [MATCH] * 3)


def appealed(world, instances: int) -> Act:
    """The last of so many committees, and the end of the case."""
    world.more_judges(34)
    commitment = world.denied()
    job_id, seats = commitment.job_id, 3
    other = commitment.other_opening(world.case(job_id).segment)
    for _ in range(instances - 1):
        world.draw_committee(job_id)
        world.votes(commitment, [other] * seats)
        world.tally(job_id)
        world.does(world.court.appeal, *world.with_job(job_id), sender=world.seller)
        seats = 2 * seats + 1

    def act() -> None:
        world.draw_committee(job_id)
        world.ruled(commitment, [other] * seats)

    return act


def appeal(world) -> Act:
    world.more_judges(10)
    commitment = world.committee()
    world.votes(commitment, [commitment.other_opening(world.case(commitment.job_id).segment)] * 3)
    world.tally(commitment.job_id)
    return lambda: world.does(world.court.appeal, *world.with_job(commitment.job_id), sender=world.seller)


def seats(world) -> Act:
    judge = world.newcomer("judge of gas", 2_000 * TOKEN)
    world.books.others.append(judge.address)

    def act() -> None:
        world.seat(judge)
        world.does(world.bench.leaveSlot, 7, sender=judge)
        world.travel(world.params.slot_exit_delay)
        world.does(world.bench.releaseSlot, 7, sender=judge)
        world.does(world.vault.revoke, world.bench, sender=judge)
        world.does(world.vault.unbond, TOKEN, sender=judge)
        world.travel(world.params.unbond_delay)
        world.does(world.vault.withdraw, 0, judge, sender=judge)
        world.does(world.vault.setKeys, world.stranger, world.stranger, sender=judge)

    return act


def permit(world) -> Act:
    """A deposit by signature instead of an allowance."""
    key = Account.from_key(keccak(text="permit"))
    world.rpc.call("anvil_impersonateAccount", key.address)
    world.rpc.call("anvil_setBalance", key.address, hex(10**20))
    world.books.others.append(key.address)
    world.send(world.token.faucet, key.address, 2 * TOKEN, sender=key.address)
    deadline, nonce = world.rpc.now() + 1_000, 0
    kind = keccak(text="Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
    owner, spender = int(key.address, 16), int(world.vault.address, 16)
    struct = keccak(encode_words(int.from_bytes(kind), owner, spender, TOKEN, nonce, deadline))
    digest = keccak(b"\x19\x01" + bytes(world.token.DOMAIN_SEPARATOR()) + struct)
    signed = Account.unsafe_sign_hash(digest, key.key)
    signature = (signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
    arguments = (key.address, TOKEN, deadline, *signature)
    return lambda: world.does(world.vault.depositWithPermit, *arguments, sender=key.address)


def fallback(world) -> Act:
    """The public randomness has stopped."""
    epoch = world.beacon.epochAt(world.rpc.now())
    world.travel_until(world.beacon.timeOf(epoch) + world.params.fallback_patience)
    secret = sha256(b"secret")
    commitment = sha256(epoch.to_bytes(4, "big"), (1).to_bytes(4, "big"), secret)

    def act() -> None:
        judge = world.judges[0]
        world.does(world.beacon.commitSecret, epoch, 1, commitment, sender=judge)
        world.travel(world.params.fallback_commit_seconds + 1)
        world.does(world.beacon.fixBlock, epoch, sender=judge)
        world.travel(1)
        world.travel(1)
        world.does(world.beacon.keepBlockHash, epoch, sender=judge)
        world.does(world.beacon.revealSecret, epoch, 1, secret, sender=judge)
        world.travel(world.params.fallback_reveal_seconds + 1)
        world.does(world.beacon.closeFallback, epoch, sender=judge)

    return act


# Whole jobs, and by how many pieces of work they are divided.
WHOLE_JOBS = {"unaudited_total": 1, "audited_total": 1, "cheat_total": 1, "sweep20_per_trial": 20}

# A story, and what tells its functions from the same ones elsewhere.
STORIES = {
    "unaudited_total": (unaudited, ""),
    "audited_total": (audited, ""),
    "cheat_total": (cheat, ""),
    "sweep20_per_trial": (sweep, ""),
    "stepwise": (stepwise, ""),
    "confirm": (confirmed, ""),
    "post many": (post_many, " of 20"),
    "endings": (endings, ""),
    "hand back": (hand_back, ""),
    "challenge": (challenged, ""),
    "late judge": (replaced, ""),
    "volunteer": (volunteered, ""),
    "canary": (canary, ""),
    "words": (words, ""),
    "appeal": (appeal, ""),
    "second committee": (lambda world: appealed(world, 2), ", 7 seats"),
    "third committee": (lambda world: appealed(world, 3), ", 15 seats"),
    "seats": (seats, ""),
    "permit": (permit, ""),
    "fallback": (fallback, ""),
}
