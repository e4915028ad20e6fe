# SPDX-License-Identifier: Apache-2.0
"""What constructors check, and that every value they took can be read back."""

from dataclasses import replace

import pytest
from brownie import AuditCourt, Ballots, JobEscrow, JudgeBench, Reputation

from swarm.protocol.parameters import DAY, ESCROW_NEEDS, LINE, DeploymentParameters


def addresses(world) -> dict[str, str]:
    made = (world.token, world.vault, world.beacon, world.bench, world.ballots, world.court, world.reputation)
    return {contract._name: contract.address for contract in (*made, world.escrow)}


def refusable_court(world, params: DeploymentParameters) -> tuple:
    """The arguments of a court whose bench and ballots have these parameters."""
    at = addresses(world)
    at["JudgeBench"] = world.deploy(JudgeBench, *params.constructor_arguments("JudgeBench", at)).address
    at["Ballots"] = world.deploy(Ballots, *params.constructor_arguments("Ballots", at)).address
    return params.constructor_arguments("AuditCourt", at)


def test_every_constructor_value_is_read_back(world):
    params = world.params
    assert list(world.escrow.parameters()) == list(params.escrow_parameters())
    assert list(world.court.parameters()) == list(params.court_parameters())
    assert list(world.ballots.parameters()) == list(params.ballot_parameters())
    assert (world.bench.slotBond(), world.bench.slotExitDelay()) == (params.slot_bond, params.slot_exit_delay)
    assert world.vault.unbondDelay() == params.unbond_delay
    assert world.reputation.unit() == params.reputation_unit
    assert world.court.maxSegmentSeconds() == params.max_segment_seconds
    beacon = (world.beacon.genesis(), world.beacon.period(), world.beacon.roundsPerEpoch())
    assert beacon == (params.beacon_genesis, params.beacon_period, params.rounds_per_epoch)


def test_the_contracts_name_each_other(world):
    for contract, names in (
        (world.vault, ("token",)),
        (world.beacon, ("bench",)),
        (world.bench, ("vault", "court", "ballots")),
        (world.ballots, ("beacon", "bench", "court")),
        (world.court, ("beacon", "bench", "ballots")),
        (world.reputation, ("escrow",)),
        (world.escrow, ("token", "vault", "beacon", "bench", "court", "reputation")),
    ):
        for name in names:
            assert getattr(contract, name)() == getattr(world, name), (contract._name, name)
    assert world.bench.treasury() == world.ballots.auditable() == world.court.auditable() == world.escrow


def test_the_line_creates_what_the_escrow_needs():
    assert set(ESCROW_NEEDS) - set(LINE) == {"FaucetToken"}


def test_an_escrow_refuses_a_court_made_for_another(world):
    arguments = world.params.constructor_arguments("JobEscrow", addresses(world))
    values = world.refuses_to_deploy(JobEscrow, *arguments, error="WrongCourt")
    assert values == (world.escrow.address.lower(),)


@pytest.mark.parametrize(
    "changes",
    [
        {"slot_exit_delay": 2 * DAY},
        {"judge_min_seconds": DAY},
        {"draw_window": 7 * DAY},
        {"max_segment_seconds": 4 * 7_200},
        {"seed_delay": 7 * DAY},
    ],
)
def test_a_court_refuses_delays_that_let_a_judge_leave_before_its_case_can_be_drawn(world, changes):
    """The safety relation: whoever a seed can still draw has not got its bond back."""
    arguments = refusable_court(world, replace(world.params, **changes))
    world.refuses_to_deploy(AuditCourt, *arguments, error="UnsafeDelays")


def test_the_longest_way_to_a_draw_is_the_court_s_horizon(world):
    params = world.params
    judging = 8 * 3 * params.max_segment_seconds
    drawing = params.seed_delay + params.rounds_per_epoch * params.beacon_period + params.draw_window
    assert world.ballots.drawHorizon() == drawing
    assert world.court.horizon() == max(judging, drawing)
    slow = replace(params, slot_exit_delay=judging + 1)
    world.deploy(AuditCourt, *refusable_court(world, slow))


def test_an_escrow_refuses_longer_segments_than_its_court_judges(world):
    params, at = world.params, addresses(world)
    at |= world.created_next(("AuditCourt", "JobEscrow"))
    world.deploy(AuditCourt, *params.constructor_arguments("AuditCourt", at))
    longer = replace(params, max_segment_seconds=params.max_segment_seconds + 1)
    arguments = longer.constructor_arguments("JobEscrow", at)
    values = world.refuses_to_deploy(JobEscrow, *arguments, error="SecondsOutOfRange")
    assert values == (7_200, 7_201)


def test_the_parameters_of_production_and_devnet_are_safe(world):
    for params in (
        DeploymentParameters.production(),
        DeploymentParameters.devnet(beacon_key=tuple(world.params.beacon_key), genesis=1),
    ):
        world.deploy(AuditCourt, *refusable_court(world, params))


def test_a_reputation_refuses_no_unit(world):
    request = Reputation.deploy.encode_input(world.escrow, 0)
    assert world.why(None, request, world.deployer) is not None


def test_every_contract_fits_the_limit_of_the_chain(world):
    """EIP-170: 24,576 bytes."""
    sizes = {name: len(world.rpc.call("eth_getCode", at, "latest")) // 2 - 1 for name, at in addresses(world).items()}
    assert max(sizes.values()) <= 24_576, sizes


def test_the_faucet_gives_a_bounded_amount(world):
    limit = world.token.FAUCET_LIMIT()
    values = world.refuses(world.token.faucet, world.buyer, limit + 1, sender=world.buyer, error="FaucetLimit")
    assert values == (limit, limit + 1)
