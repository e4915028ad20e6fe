# SPDX-License-Identifier: Apache-2.0
"""What constructors check, and that every value they took can be read back."""

from dataclasses import replace

import pytest
from brownie import AuditCourt, JobEscrow
from world import ZERO

from swarm.protocol.parameters import DAY, DeploymentParameters


def test_every_constructor_value_is_read_back(world):
    params = world.params
    assert list(world.escrow.parameters()) == list(params.escrow_parameters())
    assert list(world.court.parameters()) == list(params.court_parameters())
    assert world.vault.unbondDelay() == params.unbond_delay
    assert world.beacon.period() == params.beacon_period
    assert (world.beacon.genesis(), world.beacon.roundsPerEpoch()) == (params.beacon_genesis, params.rounds_per_epoch)


def test_the_contracts_name_each_other(world):
    assert world.vault.token() == world.escrow.token() == world.token
    assert world.court.vault() == world.escrow.vault() == world.vault
    assert world.court.beacon() == world.escrow.beacon() == world.beacon
    assert world.court.auditable() == world.escrow
    assert world.escrow.court() == world.court


def test_an_escrow_refuses_a_court_made_for_another(world):
    arguments = world.params.escrow_arguments(*map(str, (world.token, world.vault, world.beacon, world.court)))
    values = world.refuses_to_deploy(JobEscrow, *arguments, error="WrongCourt")
    assert values == (world.escrow.address.lower(),)


@pytest.mark.parametrize(
    "changes",
    [
        {"slot_exit_delay": 2 * DAY},
        {"judge_min_seconds": DAY + 7_200},
        {"seal_min_seconds": 5 * DAY},
        {"reveal_seconds": 5 * DAY},
        {"draw_window": 7 * DAY},
        {"max_segment_seconds": 10 * 7_200},
        {"seed_delay": 5 * DAY},
    ],
)
def test_a_court_refuses_delays_that_let_a_judge_leave_before_its_case_can_end(world, changes):
    """The safety relation: the longest time a bond can be needed is shorter than the way out."""
    params = replace(world.params, **changes)
    arguments = params.court_arguments(world.vault.address, world.beacon.address, ZERO)
    world.refuses_to_deploy(AuditCourt, *arguments, error="UnsafeDelays")


def test_an_escrow_refuses_longer_segments_than_its_court_judges(world):
    params = replace(world.params, max_segment_seconds=world.params.max_segment_seconds + 1)
    data_of = created_for(world)
    court = world.deploy(AuditCourt, *world.params.court_arguments(world.vault.address, world.beacon.address, data_of))
    arguments = params.escrow_arguments(*map(str, (world.token, world.vault, world.beacon, court)))
    values = world.refuses_to_deploy(JobEscrow, *arguments, error="SecondsOutOfRange")
    assert values == (7_200, 7_201)


def test_the_parameters_of_production_and_devnet_are_safe(world):
    for params in (
        DeploymentParameters.production(),
        DeploymentParameters.devnet(beacon_key=tuple(world.params.beacon_key), genesis=1),
    ):
        arguments = params.court_arguments(world.vault.address, world.beacon.address, ZERO)
        assert world.why(None, AuditCourt.deploy.encode_input(*arguments), world.deployer) is None


def test_the_faucet_gives_a_bounded_amount(world):
    limit = world.token.FAUCET_LIMIT()
    values = world.refuses(world.token.faucet, world.buyer, limit + 1, sender=world.buyer, error="FaucetLimit")
    assert values == (limit, limit + 1)


def created_for(world) -> str:
    """Where the deployer's next but one contract will be."""
    from brownie import web3
    from world import created_address

    return created_address(world.deployer.address, web3.eth.get_transaction_count(world.deployer.address) + 1)
