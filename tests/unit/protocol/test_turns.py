# SPDX-License-Identifier: Apache-2.0
"""A window of slots: nobody waits alone, who loses waits longer, and the hash spreads accounts over things."""

from collections import Counter

from swarm.protocol.turns import MOST_SLOTS, SLOT_SECONDS, Window, mixed
from swarm.protocol.types import Address

PEOPLE = [Address(f"0x{number:040x}") for number in range(20)]


def test_who_is_alone_never_waits():
    assert {Window().wait_seconds(PEOPLE[0], str(job)) for job in range(200)} == {0}


def test_known_rivals_are_given_a_slot_each():
    waits = [Window().wait_seconds(PEOPLE[0], str(job), rivals=5) for job in range(200)]
    assert set(waits) == {slot * SLOT_SECONDS for slot in range(8)}
    assert Window().wait_seconds(PEOPLE[0], "1", rivals=1) == 0
    assert max(Window().wait_seconds(person, "1", rivals=10**9) for person in PEOPLE) < MOST_SLOTS * SLOT_SECONDS


def test_a_race_that_cost_gas_widens_more_than_one_that_was_seen_in_time_and_a_win_narrows():
    paid, seen = Window(), Window()
    paid.lost(is_paid=True)
    seen.lost(is_paid=False)
    assert 1 < seen.slots < paid.slots
    for _ in range(9):
        paid.lost(is_paid=True)
    assert paid.slots == MOST_SLOTS
    for _ in range(7):
        paid.won()
    assert paid.slots == 1
    paid.won()
    assert paid.slots == 1


def test_a_window_is_no_wider_than_it_may_be():
    window = Window(most=16)
    window.lost(is_paid=True)
    window.lost(is_paid=True)
    assert window.slots == 16


def test_everybody_comes_first_for_some_things():
    firsts = Counter(min(PEOPLE, key=lambda person: mixed(person, str(job))) for job in range(400))
    assert set(firsts) == set(PEOPLE)
    assert max(firsts.values()) < 50


def test_an_address_is_one_however_it_is_written():
    assert mixed(Address("0x" + "aB" * 20), "7") == mixed(Address("0x" + "Ab" * 20), "7")
    assert mixed(PEOPLE[0], "7") != mixed(PEOPLE[0], "8")
