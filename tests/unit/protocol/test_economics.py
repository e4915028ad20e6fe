# SPDX-License-Identifier: Apache-2.0
"""Honesty pays at every share of work skipped, and where it stops to: attacks 1, 2, 24 and 27 in expected values."""

import itertools
import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swarm.protocol import economics, money
from swarm.protocol.economics import Deal
from swarm.protocol.parameters import TOKEN, DeploymentParameters

PRODUCTION = DeploymentParameters.production()
WORST_COST_BPS = 8_000
WORST_CORRUPT = Fraction(1, 5)
FLOOR_MULTIPLE = 24  # of the price: the collateral at which the audit rate reaches its floor
BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "economics.py"
SEGMENTS = st.integers(1, money.MAX_SEGMENTS)
COSTS_BPS = st.integers(0, WORST_COST_BPS)
CORRUPT = st.integers(0, 2_000).map(lambda bps: Fraction(bps, money.BPS))


def deal_of(price: int, collateral: int, segments: int, cost_bps: int = WORST_COST_BPS) -> Deal:
    """A deal whose collateral is `collateral`, or the least there may be."""
    least = money.min_collateral(price, segments, PRODUCTION.fee_min)
    return Deal(price, max(collateral, least), segments, PRODUCTION.fee_min, price * cost_bps // money.BPS)


@st.composite
def deals(draw, *, cost_bps=COSTS_BPS, most_multiple=1_000, segments=SEGMENTS) -> Deal:
    price = draw(st.integers(PRODUCTION.min_price, 10**24))
    count = draw(segments)
    return deal_of(price, draw(st.integers(0, most_multiple * price)), count, draw(cost_bps))


@st.composite
def cheats(draw, **options) -> tuple[Deal, int]:
    """A deal, and how many of its segments are skipped."""
    deal = draw(deals(**options))
    return deal, draw(st.integers(1, deal.segments))


def cheats_at_worst(**options):
    """Costs at the bound, collaterals that rely on the formula and not on its floor."""
    return cheats(cost_bps=st.just(WORST_COST_BPS), most_multiple=FLOOR_MULTIPLE, **options)


@given(cheat=cheats(), corrupt=CORRUPT)
@example(cheat=(deal_of(PRODUCTION.min_price, 0, 1), 1), corrupt=WORST_CORRUPT)
@example(cheat=(deal_of(PRODUCTION.min_price + 1, 0, 1_024), 1), corrupt=WORST_CORRUPT)
@example(cheat=(deal_of(10 * TOKEN, 240 * TOKEN, 1_000), 333), corrupt=WORST_CORRUPT)
def test_honesty_pays_for_every_share_of_segments_skipped(cheat, corrupt):
    """Attacks 1 and 2, with what the wrongly acquitted is paid, 1 % on what settles and captured committees counted."""
    deal, skipped = cheat
    assert economics.honest_value(deal) >= economics.cheating_value(deal, skipped, corrupt)


@given(deal=deals(segments=st.integers(2, money.MAX_SEGMENTS)), corrupt=CORRUPT, data=st.data())
def test_what_cheating_costs_is_proportional_to_the_share_skipped(deal, corrupt, data):
    """One random segment suffices: risk and saving both scale with k / n, but for the unit that rounding gives."""
    skipped = data.draw(st.integers(1, deal.segments - 1))
    everything = economics.honest_value(deal) - economics.cheating_value(deal, deal.segments, corrupt)
    part = economics.honest_value(deal) - economics.cheating_value(deal, skipped, corrupt)
    proportional = everything * Fraction(skipped, deal.segments)
    assert proportional - 1 < part <= proportional


@given(deal=deals(), data=st.data())
def test_rounding_gives_a_partial_cheat_less_than_one_unit(deal, data):
    skipped = data.draw(st.integers(1, deal.segments))
    exact = Fraction(deal.cost * skipped, deal.segments)
    assert exact <= deal.saved(skipped) < exact + 1


@given(deal=deals(segments=st.integers(1, 8)), corrupt=CORRUPT, data=st.data())
def test_the_expected_value_is_the_mean_over_all_that_may_happen(deal, corrupt, data):
    """Draw, segment, judge and members one by one, each ending paid in whole units."""
    skipped = data.draw(st.integers(1, deal.segments))
    spent = deal.cost - deal.saved(skipped)
    drawn = Fraction(deal.rate_bps, money.BPS)
    mean = (1 - drawn) * (deal.revenue - spent)
    for segment, *judges in itertools.product(range(deal.segments), *[(False, True)] * 4):
        chance = drawn / deal.segments * math.prod(corrupt if one else 1 - corrupt for one in judges)
        first, *members = judges
        if segment >= skipped or first:
            paid = deal.revenue
        elif sum(members) >= 2:
            lost = 5 * deal.fee * (1 + members.count(False))
            paid = deal.revenue + (lost - deal.fee * sum(members)) // 5
        else:
            paid = -deal.collateral  # the price never came, so no 1 % of it either
        mean += chance * (paid - spent)
    assert mean == economics.cheating_value(deal, skipped, corrupt)


@given(cheat=cheats_at_worst())
def test_cheating_pays_when_the_audit_rate_is_thirty_percent_lower(cheat):
    """The formula is not generous: at C = 0.8 R and f = 0.2 seven tenths of the rate are too few, for every share."""
    deal, skipped = cheat
    lower = deal.rate_bps * 7 // 10
    assert economics.cheating_value(deal, skipped, WORST_CORRUPT, lower) > economics.honest_value(deal)


@given(cheat=cheats_at_worst())
def test_cheating_pays_where_a_quarter_of_the_judges_is_corrupt(cheat):
    """A stated limit: f = 0.25 is beyond the formula."""
    deal, skipped = cheat
    assert economics.cheating_value(deal, skipped, Fraction(1, 4)) > economics.honest_value(deal)


@given(cheat=cheats(cost_bps=st.just(9_200), most_multiple=FLOOR_MULTIPLE))
def test_cheating_pays_where_computing_costs_nine_tenths_of_the_price(cheat):
    """A stated limit: C = 0.92 R is beyond the formula at f = 0.2."""
    deal, skipped = cheat
    assert economics.cheating_value(deal, skipped, WORST_CORRUPT) > economics.honest_value(deal)


@given(cheat=cheats(segments=st.integers(2, money.MAX_SEGMENTS)), corrupt=CORRUPT)
def test_a_coalition_of_seller_and_judges_gains_nothing_by_skipping(cheat, corrupt):
    """Attack 24, for jobs of two segments and more."""
    deal, skipped = cheat
    assert economics.coalition_gain(deal, skipped, corrupt) <= 0


def test_a_coalition_gains_by_skipping_a_job_of_one_segment():
    """A stated limit: at n = 1, the least collateral, C = 0.8 R and f = 0.2 the fees of its own judges tip it."""
    deal = deal_of(10 * TOKEN, 0, 1)
    assert 0 < economics.coalition_gain(deal, 1, WORST_CORRUPT) < deal.price // 50
    assert economics.coalition_gain(deal, 1, Fraction(19, 100)) < 0
    assert economics.coalition_gain(deal_of(10 * TOKEN, 0, 1, 7_800), 1, WORST_CORRUPT) < 0


@given(deal=deals(most_multiple=1, segments=st.integers(1, 100)), corrupt=CORRUPT)
def test_denying_honest_work_loses_where_collateral_and_segments_are_few(deal, corrupt):
    """Attack 27 with a committee of three that is final: L <= R and n <= 100."""
    assert economics.false_denial_gain(deal, corrupt) < 0


def test_denying_honest_work_pays_a_fifth_of_the_judges_where_much_collateral_meets_small_fees():
    """A stated limit: 30 % of a large collateral outweighs five small fees, unless the slashed may appeal."""
    deal = deal_of(10 * TOKEN, 240 * TOKEN, 100)
    assert economics.false_denial_gain(deal, WORST_CORRUPT) > deal.price // 2
    assert economics.false_denial_gain(deal, Fraction(1, 20)) < 0


@given(price=st.integers(1, 10**24), rest=st.integers(0, 10**26), sharers=st.integers(1, 4))
def test_what_is_seized_is_split_without_remainder(price, rest, sharers):
    seizure = economics.seize(price, rest, sharers)
    assert seizure.to_buyer + seizure.share * sharers + seizure.burned == rest
    assert seizure.to_buyer <= price
    assert 2 * seizure.burned >= rest


@pytest.mark.parametrize("corrupt", [Fraction(0), Fraction(1, 5), Fraction(1, 2), Fraction(1)])
def test_a_committee_has_some_number_of_corrupt_members(corrupt):
    seats = economics.seats_corrupt(corrupt)
    assert sum(seats) == 1
    assert sum(number * chance for number, chance in enumerate(seats)) == 3 * corrupt


@pytest.mark.parametrize(("rules", "pays"), [("reward", True), ("protocol", False)])
def test_the_simulation_slashes_no_honest_seller_and_shows_who_gains(tmp_path, rules, pays):
    """Conservation is asserted in the program after every job. Publishing late pays as long as it is rewarded."""
    file = tmp_path / "result.json"
    command = [sys.executable, BENCHMARK, "--jobs", "2100", "--rules", rules, "--json", file]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    result = json.loads(file.read_text())
    sellers, judges = result["sellers"], result["judges"]

    assert "slashed: honest" not in result["totals"]
    assert result["totals"]["settled: honest"] == sellers["honest"]["jobs"] == 300
    assert all(
        sellers[kind]["profit_per_job"] < sellers["honest"]["profit_per_job"] for kind in ("lazy", "withholding")
    )
    assert (sellers["publishing late"]["of_honest"] > 1) == pays
    assert judges["lazy"]["earned"] == 0 < judges["lazy"]["lost"]
    assert judges["honest"]["profit_per_job"] > 0
