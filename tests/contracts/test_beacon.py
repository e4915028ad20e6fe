# SPDX-License-Identifier: Apache-2.0
"""Verified rounds: real drand vectors, the test key, and everything that must be refused with bounded gas."""

from dataclasses import replace

import pytest
from brownie import Beacon
from py_ecc.bn128 import field_modulus
from world import KEY

from swarm.protocol.parameters import EVMNET_GENESIS, EVMNET_KEY

ROUND_1 = (
    0x11F812D738A36B2210DC88C2D635AD8039588205F42445D6DE09E6530165C346,
    0x2A23ACA348C84BADCF8DF5321AC24577B7963D5B0D780BC4626BAEDB45CDE373,
)
ROUND_9337227 = (
    0x01D65D6128F4B2DF3D08DE85543D8EFE06B0281D0770246AE3672E8DDD3EFDA0,
    0x269373123458F0B5C0073EEED1C816A06809E127421513E34EE07DF6987910B3,
)
BOUNDED_GAS = 500_000


def arguments(market, key=EVMNET_KEY, period: int = 3, rounds: int = 1) -> tuple:
    """Of the real drand's beacon, one round an epoch, unless a test says otherwise."""
    params = replace(
        market.params, beacon_key=key, beacon_genesis=EVMNET_GENESIS, beacon_period=period, rounds_per_epoch=rounds
    )
    return params.constructor_arguments("Beacon", {"JudgeBench": market.bench.address})


@pytest.fixture(scope="session")
def evmnet(market):
    return market.deploy(Beacon, *arguments(market))


def test_deployment_refuses_a_key_in_the_wrong_word_order(market):
    swapped = [EVMNET_KEY[1], EVMNET_KEY[0], EVMNET_KEY[3], EVMNET_KEY[2]]
    market.refuses_to_deploy(Beacon, *arguments(market, swapped), error="InvalidPublicKey")


def test_deployment_refuses_a_key_outside_the_field(market):
    key = [EVMNET_KEY[0] + field_modulus, *EVMNET_KEY[1:]]
    market.refuses_to_deploy(Beacon, *arguments(market, key), error="InvalidPublicKey")


def test_deployment_refuses_a_point_on_the_curve_outside_the_group(market):
    key = point_outside_the_group()
    market.refuses_to_deploy(Beacon, *arguments(market, key), error="InvalidPublicKey")


@pytest.mark.parametrize("wrong", [{"period": 0}, {"rounds": 0}])
def test_deployment_refuses_epochs_without_length(market, wrong):
    request = Beacon.deploy.encode_input(*arguments(market, **wrong))
    assert market.why(None, request, market.deployer) is not None


@pytest.mark.parametrize(("round_", "signature"), [(1, ROUND_1), (9_337_227, ROUND_9337227)])
def test_real_rounds_are_accepted(world, evmnet, round_, signature):
    from swarm.protocol.commitment import sha256

    done = world.send(evmnet.submit, round_ - 1, signature, sender=world.stranger)
    seed = sha256(*(word.to_bytes(32, "big") for word in signature))
    assert bytes(evmnet.seedOf(round_ - 1)) == seed
    assert done.event("SeedStored")["round"] == round_
    assert done.gas_used < 300_000


def test_a_round_refuses_the_signature_of_another(world, evmnet):
    world.refuses(evmnet.submit, 1, ROUND_1, sender=world.stranger, error="InvalidSignature")


def test_a_seed_is_written_once(world, evmnet):
    world.send(evmnet.submit, 0, ROUND_1, sender=world.stranger)
    assert world.refuses(evmnet.submit, 0, ROUND_1, sender=world.stranger, error="SeedAlreadyKnown") == (0,)


@pytest.mark.parametrize(
    "signature",
    [(0, 0), (1, 2), (ROUND_1[0], field_modulus - ROUND_1[1]), (ROUND_1[0] + field_modulus, ROUND_1[1]), (5, 5)],
    ids=["infinity", "generator", "negated", "outside the field", "off the curve"],
)
def test_a_forged_signature_is_refused_with_bounded_gas(world, evmnet, signature):
    world.refuses(evmnet.submit, 0, signature, sender=world.stranger, error="InvalidSignature")
    data = evmnet.submit.encode_input(0, signature)
    receipt = world.rpc.send(str(world.stranger), evmnet.address, data)
    assert receipt["status"] == "0x0"
    assert int(receipt["gasUsed"], 16) < BOUNDED_GAS


def test_no_seed_exists_before_its_round(world):
    """Invariant 9."""
    epoch = world.beacon.epochAt(world.rpc.now() + 600)
    time = world.beacon.timeOf(epoch)
    signature = world.signature(epoch)
    world.travel_until(time - 1)
    values = world.refuses(world.beacon.submit, epoch, signature, sender=world.stranger, error="TooEarly")
    assert values == (time, time - 1)
    world.travel_until(time)
    world.send(world.beacon.submit, epoch, signature, sender=world.stranger)


def test_epochs_begin_at_or_after_the_time_asked(world):
    beacon, genesis = world.beacon, world.beacon.genesis()
    span = beacon.period() * beacon.roundsPerEpoch()
    for time in (0, genesis, genesis + 1, genesis + span - 1, genesis + span, genesis + span + 1):
        epoch = beacon.epochAt(time)
        assert beacon.timeOf(epoch) >= time
        assert epoch == 0 or beacon.timeOf(epoch - 1) < time
        assert beacon.roundOf(epoch) == epoch * beacon.roundsPerEpoch() + 1


def test_the_test_key_signs_what_the_contract_hashes(world):
    assert list(world.beacon.publicKey()) == list(KEY.public_words())
    assert world.bring_seed(world.beacon.epochAt(world.rpc.now())) != bytes(32)


def point_outside_the_group() -> list[int]:
    """A point of the twist whose order is not the group's: found from small x, as (x_im, x_re, y_im, y_re)."""
    from py_ecc.bn128 import FQ2, b2, curve_order, is_on_curve, multiply

    for re in range(1, 200):
        x = FQ2([re, 1])
        y = square_root(x * x * x + b2)
        if y is not None and is_on_curve((x, y), b2) and multiply((x, y), curve_order) is not None:
            return [int(x.coeffs[1]), int(x.coeffs[0]), int(y.coeffs[1]), int(y.coeffs[0])]
    raise AssertionError("no such point")


def square_root(a):
    """A root in the quadratic field by the complex method, or None."""
    from py_ecc.bn128 import FQ2

    p = field_modulus
    a0, a1 = int(a.coeffs[0]), int(a.coeffs[1])
    norm = pow(a0 * a0 + a1 * a1, (p + 1) // 4, p)
    for sign in (norm, -norm):
        half = (a0 + sign) * pow(2, -1, p) % p
        real = pow(half, (p + 1) // 4, p)
        if real and real * real % p == half:
            root = FQ2([real, a1 * pow(2 * real, -1, p)])
            return root if root * root == a else None
    return None
