# SPDX-License-Identifier: Apache-2.0
"""The day the randomness stops: judges commit, a block is fixed and kept, secrets are revealed, the seed is stored."""

from functools import reduce
from itertools import chain, combinations
from operator import xor

import pytest
from stories import challenge

from swarm.protocol import draw
from swarm.protocol.commitment import sha256
from swarm.protocol.types import BallotStatus

SECRETS = {slot_id: sha256(b"secret %d" % slot_id) for slot_id in range(1, 7)}


@pytest.fixture
def epoch(world):
    """An epoch whose round nobody ever brings."""
    return world.beacon.epochAt(world.rpc.now() + 100)


def sealed(epoch: int, slot_id: int, secret: bytes | None = None) -> bytes:
    return sha256(epoch.to_bytes(4, "big"), slot_id.to_bytes(4, "big"), secret or SECRETS[slot_id])


def patience_over(world, epoch: int) -> int:
    return world.beacon.timeOf(epoch) + world.params.fallback_patience


def commit(world, epoch: int, slot_id: int):
    arguments = (epoch, slot_id, sealed(epoch, slot_id))
    return world.does(world.beacon.commitSecret, *arguments, sender=world.operator_of(slot_id))


def committed(world, epoch: int, slots=(1, 2, 3)) -> None:
    """These slots have committed, and the time for it is over."""
    world.travel_until(patience_over(world, epoch))
    for slot_id in slots:
        commit(world, epoch, slot_id)
    world.travel_until(world.beacon.attemptOf(epoch)["openedAt"] + world.params.fallback_commit_seconds + 1)


def fix(world, epoch: int):
    return world.does(world.beacon.fixBlock, epoch, sender=world.stranger)


def kept(world, epoch: int, slots=(1, 2, 3)) -> bytes:
    """The block was fixed, is mined, and its hash kept. Returns the hash."""
    committed(world, epoch, slots)
    fix(world, epoch)
    world.rpc.call("anvil_mine", hex(2))
    world.does(world.beacon.keepBlockHash, epoch, sender=world.stranger)
    return bytes(world.beacon.attemptOf(epoch)["blockHash"])


def reveal(world, epoch: int, slot_id: int):
    return world.does(world.beacon.revealSecret, epoch, slot_id, SECRETS[slot_id], sender=world.operator_of(slot_id))


def past_reveals(world, epoch: int) -> None:
    spans = world.params.fallback_commit_seconds + world.params.fallback_reveal_seconds
    world.travel_until(world.beacon.attemptOf(epoch)["openedAt"] + spans + 1)


def close(world, epoch: int):
    past_reveals(world, epoch)
    return world.does(world.beacon.closeFallback, epoch, sender=world.stranger)


def mixed(slots, block_hash: bytes) -> bytes:
    mix = reduce(xor, (int.from_bytes(SECRETS[slot_id]) for slot_id in slots))
    return sha256(mix.to_bytes(32, "big"), block_hash)


# committing


def test_commit_refuses_while_the_round_may_still_come(world, epoch):
    start = patience_over(world, epoch)
    world.travel_until(start - 1)
    arguments = (epoch, 1, sealed(epoch, 1))
    values = world.refuses(world.beacon.commitSecret, *arguments, sender=world.operator_of(1), error="TooSoon")
    assert values == (start, start - 1)


def test_commit_refuses_an_epoch_that_has_its_seed(world, epoch):
    world.bring_seed(epoch)
    world.travel_until(patience_over(world, epoch))
    call, sender = world.beacon.commitSecret, world.operator_of(1)
    world.refuses(call, epoch, 1, sealed(epoch, 1), sender=sender, error="FallbackSeedKnown")


def test_commit_refuses_after_the_time_to_commit(world, epoch):
    committed(world, epoch, (1,))
    call, secret = world.beacon.commitSecret, sealed(epoch, 2)
    world.refuses(call, epoch, 2, secret, sender=world.operator_of(2), error="TooLateNow")


def test_commit_refuses_everybody_but_operators_of_active_slots(world, epoch):
    world.travel_until(patience_over(world, epoch))
    arguments = (epoch, 1, sealed(epoch, 1))
    for sender in (world.stranger, world.operator_of(2)):
        world.refuses(world.beacon.commitSecret, *arguments, sender=sender, error="OnlyActiveJudge")
    owner = world.operator_of(1)
    world.does(world.bench.leaveSlot, 1, sender=owner)
    world.refuses(world.beacon.commitSecret, *arguments, sender=owner, error="OnlyActiveJudge")


def test_commit_refuses_nothing_and_a_second_secret(world, epoch):
    world.travel_until(patience_over(world, epoch))
    call, sender = world.beacon.commitSecret, world.operator_of(1)
    world.refuses(call, epoch, 1, bytes(32), sender=sender, error="OnlyActiveJudge")
    commit(world, epoch, 1)
    world.refuses(call, epoch, 1, sealed(epoch, 1, b"\x01" * 32), sender=sender, error="AlreadyCommitted")


# the block


def test_fix_refuses_where_nobody_committed(world, epoch):
    world.travel_until(patience_over(world, epoch))
    world.refuses(world.beacon.fixBlock, epoch, sender=world.stranger, error="NothingCommitted")


def test_fix_refuses_while_judges_commit(world, epoch):
    world.travel_until(patience_over(world, epoch))
    commit(world, epoch, 1)
    world.refuses(world.beacon.fixBlock, epoch, sender=world.stranger, error="TooSoon")


def test_a_block_is_fixed_once_and_before_it_exists(world, epoch):
    committed(world, epoch)
    fix(world, epoch)
    assert world.beacon.attemptOf(epoch)["blockNumber"] == int(world.rpc.call("eth_blockNumber"), 16) + 2
    world.refuses(world.beacon.fixBlock, epoch, sender=world.stranger, error="BlockAlreadyFixed")


def test_keep_refuses_before_a_block_is_fixed_and_mined(world, epoch):
    committed(world, epoch)
    world.refuses(world.beacon.keepBlockHash, epoch, sender=world.stranger, error="BlockNotKnown")
    fix(world, epoch)
    world.refuses(world.beacon.keepBlockHash, epoch, sender=world.stranger, error="BlockNotKnown")


def test_a_hash_is_kept_once_and_then_the_block_stays(world, epoch):
    kept(world, epoch)
    world.refuses(world.beacon.keepBlockHash, epoch, sender=world.stranger, error="BlockAlreadyFixed")
    world.rpc.call("anvil_mine", hex(300))
    world.refuses(world.beacon.fixBlock, epoch, sender=world.stranger, error="BlockAlreadyFixed")


def test_a_block_whose_hash_the_chain_forgot_is_fixed_anew(world, epoch):
    """Liveness: nobody kept it in time."""
    committed(world, epoch)
    fix(world, epoch)
    world.rpc.call("anvil_mine", hex(2 + 256))
    world.refuses(world.beacon.fixBlock, epoch, sender=world.stranger, error="BlockAlreadyFixed")
    world.rpc.call("anvil_mine", hex(1))
    world.refuses(world.beacon.keepBlockHash, epoch, sender=world.stranger, error="BlockNotKnown")
    fix(world, epoch)
    assert world.beacon.attemptOf(epoch)["blockNumber"] == int(world.rpc.call("eth_blockNumber"), 16) + 2


# revealing


def test_reveal_refuses_where_nobody_committed_and_while_judges_commit(world, epoch):
    world.travel_until(patience_over(world, epoch))
    call, sender = world.beacon.revealSecret, world.operator_of(1)
    world.refuses(call, epoch, 1, SECRETS[1], sender=sender, error="NothingCommitted")
    commit(world, epoch, 1)
    world.refuses(call, epoch, 1, SECRETS[1], sender=sender, error="TooSoon")


def test_reveal_refuses_before_the_blocks_hash_is_kept(world, epoch):
    """Whoever saw the secrets first could choose the block."""
    committed(world, epoch)
    arguments, call = (epoch, 1, SECRETS[1]), world.beacon.revealSecret
    world.refuses(call, *arguments, sender=world.operator_of(1), error="BlockNotKnown")
    fix(world, epoch)
    world.rpc.call("anvil_mine", hex(2))
    world.refuses(call, *arguments, sender=world.operator_of(1), error="BlockNotKnown")


def test_reveal_refuses_what_was_not_committed_and_a_second_time(world, epoch):
    kept(world, epoch)
    call, sender = world.beacon.revealSecret, world.operator_of(1)
    world.refuses(call, epoch, 1, SECRETS[2], sender=sender, error="WrongSecret")
    world.refuses(call, epoch, 4, SECRETS[4], sender=sender, error="WrongSecret")
    reveal(world, epoch, 1)
    world.refuses(call, epoch, 1, SECRETS[1], sender=sender, error="WrongSecret")


def test_reveal_refuses_after_its_time(world, epoch):
    kept(world, epoch)
    past_reveals(world, epoch)
    world.refuses(world.beacon.revealSecret, epoch, 1, SECRETS[1], sender=world.operator_of(1), error="TooLateNow")


# the seed


def test_close_refuses_where_nobody_committed_and_while_judges_reveal(world, epoch):
    world.travel_until(patience_over(world, epoch))
    world.refuses(world.beacon.closeFallback, epoch, sender=world.stranger, error="NothingCommitted")
    kept(world, epoch)
    reveal(world, epoch, 1)
    world.refuses(world.beacon.closeFallback, epoch, sender=world.stranger, error="TooSoon")


def test_the_seed_is_the_hash_of_the_revealed_secrets_and_the_kept_block(world, epoch):
    block_hash = kept(world, epoch)
    for slot_id in (1, 3):
        reveal(world, epoch, slot_id)
    assert world.beacon.seedFor(epoch) == ("0x" + "00" * 32, False)
    close(world, epoch)
    seed, is_fallback = world.beacon.seedFor(epoch)
    assert (bytes(seed), is_fallback) == (mixed((1, 3), block_hash), True)
    assert int.from_bytes(world.beacon.seedOf(epoch)) == 0


def test_a_seed_is_stored_once_and_the_beacon_comes_too_late(world, epoch):
    """Invariants 9 and 10: whoever holds the round back must not be able to replace the seed with it."""
    kept(world, epoch)
    reveal(world, epoch, 1)
    close(world, epoch)
    signature = world.signature(epoch)
    world.refuses(world.beacon.submit, epoch, signature, sender=world.stranger, error="SeedAlreadyKnown")
    world.refuses(world.beacon.closeFallback, epoch, sender=world.stranger, error="FallbackSeedKnown")
    call, sender = world.beacon.commitSecret, world.operator_of(4)
    world.refuses(call, epoch, 4, sealed(epoch, 4), sender=sender, error="FallbackSeedKnown")


def test_a_round_that_comes_during_the_fallback_ends_it(world, epoch):
    kept(world, epoch)
    reveal(world, epoch, 1)
    seed = world.bring_seed(epoch)
    world.refuses(
        world.beacon.revealSecret, epoch, 2, SECRETS[2], sender=world.operator_of(2), error="FallbackSeedKnown"
    )
    past_reveals(world, epoch)
    world.refuses(world.beacon.closeFallback, epoch, sender=world.stranger, error="FallbackSeedKnown")
    known, is_fallback = world.beacon.seedFor(epoch)
    assert (bytes(known), is_fallback) == (seed, False)


def test_an_attempt_without_a_secret_begins_anew(world, epoch):
    kept(world, epoch)
    close(world, epoch)
    attempt = world.beacon.attemptOf(epoch)
    assert (attempt["number"], attempt["openedAt"], attempt["commitments"]) == (1, 0, 0)
    commit(world, epoch, 1)
    commit(world, epoch, 4)
    world.travel(world.params.fallback_commit_seconds + 1)
    fix(world, epoch)
    world.rpc.call("anvil_mine", hex(2))
    world.does(world.beacon.keepBlockHash, epoch, sender=world.stranger)
    world.refuses(world.beacon.revealSecret, epoch, 2, SECRETS[2], sender=world.operator_of(2), error="WrongSecret")
    reveal(world, epoch, 4)
    close(world, epoch)
    assert bytes(world.beacon.seedFor(epoch)[0]) == mixed((4,), bytes(world.beacon.attemptOf(epoch)["blockHash"]))


# what it decides


def test_the_audit_rate_of_such_a_job_is_doubled(world):
    """The last to reveal can choose among outcomes: here they choose one that only the doubled rate draws."""
    commitment = world.submitted(drawn=False, collateral=4 * 100 * 10**18)
    job = world.job(commitment.job_id)
    block_hash = kept(world, job.epoch, range(1, 7))
    subsets = chain.from_iterable(combinations(range(1, 7), size) for size in range(1, 7))

    def is_drawn(slots, rate: int) -> bool:
        return draw.is_drawn(mixed(slots, block_hash), job.job_id, job.segment_root, rate)

    chosen = next(s for s in subsets if is_drawn(s, 2 * job.audit_bps) and not is_drawn(s, job.audit_bps))
    for slot_id in chosen:
        reveal(world, job.epoch, slot_id)
    arguments = world.with_job(job.job_id)
    world.refuses(world.escrow.settle, *arguments, sender=world.buyer, error="AwaitingSeed")
    close(world, job.epoch)
    assert world.escrow.isDrawn(*arguments)
    world.refuses(world.escrow.settle, *arguments, sender=world.buyer, error="AuditPending")
    world.open_audit(job.job_id)
    world.confirm(commitment)
    world.settle(job.job_id)


def test_a_committee_is_drawn_from_such_a_seed(world):
    commitment = world.submitted(drawn=False)
    challenge(world, commitment.job_id)
    epoch = world.ballot(commitment.job_id).epoch
    kept(world, epoch)
    reveal(world, epoch, 2)
    close(world, epoch)
    world.draw_now(commitment.job_id)
    assert world.ballot(commitment.job_id).status is BallotStatus.SEALING
