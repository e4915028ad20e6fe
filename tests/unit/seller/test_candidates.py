# SPDX-License-Identifier: Apache-2.0
"""A seller's turn: at once where nobody is in the way, later where others are, and few lost races among twenty."""

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from swarm.chain import reverts
from swarm.protocol import turns
from swarm.protocol.turns import Window
from swarm.protocol.types import Address, Amount, JobId, JobStatus
from swarm.seller import offers, plan
from swarm.seller.candidates import Candidates
from swarm.seller.plan import Mode, Reason
from tests.unit.seller.test_plan import NOW, SALLY, TERMS, job, view

OTHERS = [Address(f"0x{number:040x}") for number in range(1, 20)]


class World:
    """Candidates of one seller on a chain whose answers to `accept` are set."""

    def __init__(self, seller=SALLY, accept=None) -> None:
        self.refusal: Exception | None = None
        self.accepted: list[int] = []
        escrow = SimpleNamespace(accept=accept or self._accept)
        chain = SimpleNamespace(escrow=escrow, client=SimpleNamespace(now=lambda: NOW))
        ready = SimpleNamespace(prepare=lambda job, in_use: Amount(25))
        self.candidates = Candidates(chain, None, seller, ready)

    def _accept(self, account, job, collateral, seller):
        if self.refusal:
            raise self.refusal
        self.accepted.append(job.job_id)


def stale(*, is_mined=False):
    error = reverts.exceptions()["StaleJob"]("taken")
    error.is_mined = is_mined
    return error


def taken(number, seller, status=JobStatus.SUBMITTED):
    return job(number, status, seller=seller)


def turn_of(candidates, seen, number=1):
    """The first second at which the job is not left to others."""
    for later in range(300):
        at = replace(seen, now=seen.now + later)
        if JobId(number) not in candidates.in_turn(at).refused:
            return later
    raise AssertionError("its turn never came")


def test_a_seller_alone_takes_every_job_at_once():
    world = World()
    for number in range(1, 60):
        seen = world.candidates.in_turn(view(job(number), taken(99, SALLY)))
        assert plan.decide(seen) == plan.Consider(job(number))
        assert world.candidates.take(job(number), ()) == 25


def test_a_seller_who_lost_a_race_leaves_jobs_to_others_for_a_while():
    world = World()
    world.refusal = stale(is_mined=True)
    assert world.candidates.take(job(1), ()) is None
    waits = [turn_of(world.candidates, view(job(number)), number) for number in range(2, 40)]
    assert max(waits) > 4 * turns.SLOT_SECONDS
    assert world.candidates.refused(NOW) == {JobId(1): Reason.REFUSED}


def test_it_waits_for_rivals_who_are_free_and_for_none_who_are_at_work():
    free = [taken(100 + number, other) for number, other in enumerate(OTHERS)]
    busy = [replace(each, status=JobStatus.RUNNING) for each in free]
    numbers = range(1, 30)
    assert max(turn_of(World().candidates, view(job(n), *free), n) for n in numbers) > 4 * turns.SLOT_SECONDS
    assert {turn_of(World().candidates, view(job(n), *busy), n) for n in numbers} == {0}


def test_a_job_for_this_seller_alone_does_not_wait_and_one_that_expires_soon_not_long():
    numbers = range(1, 40)

    def longest(**changes):
        seen = [view(job(n, **changes)) for n in numbers]
        return max(turn_of(wide().candidates, each, n) for n, each in zip(numbers, seen, strict=True))

    def wide():
        world = World()
        world.candidates.window.slots = turns.MOST_SLOTS
        return world

    assert longest() > 60
    assert longest(terms=replace(TERMS, seller=SALLY)) == 0
    assert longest(deadline=NOW + 40) <= 10


def test_a_turn_is_counted_from_when_the_seller_was_free():
    world = World()
    world.candidates.window.slots = turns.MOST_SLOTS
    number = next(n for n in range(1, 99) if turns.Window(64).wait_seconds(SALLY, str(n)) >= 20)
    waits = turn_of(world.candidates, view(job(number)), number)
    busy = view(job(number), taken(200, SALLY, JobStatus.RUNNING))
    assert not world.candidates.in_turn(busy).refused
    later = replace(view(job(number)), now=NOW + waits)
    assert JobId(number) in world.candidates.in_turn(later).refused


def test_what_is_left_to_others_is_counted_as_that_and_rested_for():
    world = World()
    world.candidates.window.slots = turns.MOST_SLOTS
    number = next(n for n in range(1, 99) if turns.Window(64).wait_seconds(SALLY, str(n)) >= 20)
    seen = world.candidates.in_turn(view(job(number)))
    assert offers.tally(seen) == {Reason.TURN: 1}
    assert isinstance(plan.decide(seen), plan.Rest)
    paused = world.candidates.in_turn(view(job(number), mode=Mode.PAUSE))
    assert offers.tally(paused) == {Reason.PAUSED: 1}


@pytest.mark.parametrize("name", ["NotEnoughJudges", "InsufficientStake"])
def test_what_a_contract_refuses_for_another_reason_is_no_lost_race(name):
    world = World()
    world.refusal = reverts.exceptions()[name]("no")
    assert world.candidates.take(job(1), ()) is None
    assert world.candidates.window.slots == 1
    assert world.candidates.refused(NOW)[JobId(1)] in (Reason.JUDGES, Reason.STAKE)


def test_sellers_begin_with_different_jobs_of_the_same_price():
    jobs = [job(number) for number in range(1, 21)]
    chosen = {plan.decide(replace(view(*jobs), seller=each)).job.job_id for each in OTHERS}
    assert len(chosen) > 8


class Market:
    """Twenty sellers, a block a second. All look at every block and send into the next: nobody sees what waits."""

    SECONDS_OF_WORK, LIVE_SECONDS = 5, 20

    def __init__(self, *, seed: int, seconds_a_job: float) -> None:
        self.random = random.Random(seed)
        self.people = [Address(f"0x{self.random.getrandbits(160):040x}") for _ in range(20)]
        self.sellers = {each: World(each, self._accept).candidates for each in self.people}
        self.seconds_a_job = seconds_a_job
        self.taken: dict[int, tuple[int, Address]] = {}
        self.posted, self.now, self.lost = 0.0, 0, 0

    def _accept(self, account, job, collateral, seller):
        if job.job_id in self.taken:
            self.lost += 1
            raise stale(is_mined=True)
        self.taken[job.job_id] = self.now, seller

    def play(self, seconds: int) -> float:
        """Lost races for one won."""
        for self.now in range(seconds):
            self.posted += 1 / self.seconds_a_job
            jobs = [self._job(number) for number in range(1, int(self.posted) + 1)]
            live = [each for each in jobs if each]
            decided = [(each, self._decision(each, live)) for each in self.people]
            self.random.shuffle(decided)
            for each, action in decided:
                if isinstance(action, plan.Consider):
                    self.sellers[each].take(action.job, ())
        return self.lost / len(self.taken)

    def _decision(self, person, live):
        seen = replace(view(*live), seller=person, now=NOW + self.now)
        return plan.decide(self.sellers[person].in_turn(seen))

    def _job(self, number):
        if number not in self.taken:
            return job(number, deadline=NOW + self.now + 600)
        since, seller = self.taken[number]
        if self.now - since < self.SECONDS_OF_WORK:
            return taken(number, seller, JobStatus.RUNNING)
        return taken(number, seller) if self.now - since < self.LIVE_SECONDS else None


@pytest.mark.parametrize(("seconds_a_job", "seed"), [(0.5, 1), (1, 2), (4, 3), (10, 4)])
def test_twenty_sellers_lose_at_most_half_a_race_for_each_job(seconds_a_job, seed):
    market = Market(seed=seed, seconds_a_job=seconds_a_job)
    seconds = int(250 * seconds_a_job)
    assert market.play(seconds) <= 0.5
    assert len(market.taken) >= 0.9 * market.posted - 20


def test_without_turns_they_lose_many(monkeypatch):
    monkeypatch.setattr(Window, "wait_seconds", lambda *_, **__: 0)
    assert Market(seed=1, seconds_a_job=4).play(200) > 5
