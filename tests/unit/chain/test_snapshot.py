# SPDX-License-Identifier: Apache-2.0
"""What is kept between looks, and what an event, a reorganisation or time drops of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from swarm.chain.snapshot import _DEPENDS, _KEPT_SECONDS, Block, Key, Mark, Snapshot

ESCROW, COURT = "0xE5", "0xC0"
CONTRACTS = Path(__file__).resolve().parents[3] / "contracts"


class World:
    def __init__(self) -> None:
        self.head, self.marks, self.time, self.branch = 100, [], 0.0, 0
        self.snapshot = Snapshot(self.latest, self.between, clock=lambda: self.time)

    def latest(self) -> Block:
        return Block(self.head, f"{self.branch}-{self.head}".encode(), self.head)

    def between(self, first: int, last: int) -> list[Mark]:
        return [mark for mark in self.marks if first <= mark.block <= last]

    def happens(self, address: str, number: int, *, block: int | None = None) -> None:
        block = block or self.head
        self.marks.append(Mark(block, f"{self.branch}-{block}".encode(), len(self.marks), address, number.to_bytes(32)))

    def asks_again(self, function: str, *arguments: int, address: str = ESCROW) -> bool:
        """Whether a view is read anew after another look."""
        key, asked = Key(address, function, arguments), []
        self.snapshot.read(key, lambda: asked.append(1))
        return bool(asked)


@pytest.fixture
def world() -> World:
    """It has looked, and knows what the tests ask for."""
    world = World()
    world.snapshot.look()
    for call in [("stateOf", 1), ("stateOf", 2), ("jobCount",), ("caseOf", 1), ("feeFor", 3, 4)]:
        world.asks_again(*call)
    return world


def look(world, blocks: int = 1) -> None:
    world.head += blocks
    world.snapshot.look()


def test_nothing_is_asked_again_while_nothing_happens(world):
    look(world, 7)
    assert not world.asks_again("stateOf", 1) and not world.asks_again("caseOf", 1)


def test_an_event_drops_what_it_names_and_what_any_event_may_change(world):
    world.head += 1
    world.happens(ESCROW, 1)
    world.snapshot.look()
    assert world.asks_again("stateOf", 1) and world.asks_again("jobCount") and world.asks_again("caseOf", 1)
    assert not world.asks_again("stateOf", 2) and not world.asks_again("feeFor", 3, 4)


def test_another_contracts_event_leaves_what_depends_on_its_own_only(world):
    world.head += 1
    world.happens(COURT, 1)
    world.snapshot.look()
    assert world.asks_again("caseOf", 1)
    assert not world.asks_again("stateOf", 1) and not world.asks_again("jobCount")


def test_an_event_that_an_endpoint_shows_late_is_not_missed(world):
    look(world, 5)
    world.happens(ESCROW, 1, block=world.head - 3)
    look(world)
    assert world.asks_again("stateOf", 1)


def test_an_event_that_vanished_drops_everything_and_is_counted(world):
    world.head += 1
    world.happens(ESCROW, 2)
    world.snapshot.look()
    assert not world.asks_again("stateOf", 1)
    world.marks.clear()
    look(world)
    assert world.snapshot.reorganisations == 1 and world.asks_again("stateOf", 1) and world.asks_again("feeFor", 3, 4)


def test_the_same_event_in_another_block_is_a_reorganisation(world):
    world.head += 1
    world.happens(ESCROW, 2)
    world.snapshot.look()
    world.branch, world.marks = 1, []
    world.happens(ESCROW, 2)
    look(world)
    assert world.snapshot.reorganisations == 1


def test_a_shorter_chain_drops_everything(world):
    look(world, -3)
    assert world.snapshot.reorganisations == 1 and world.asks_again("stateOf", 1)


def test_everything_is_read_anew_after_a_while_whatever_the_endpoint_shows(world):
    world.time += _KEPT_SECONDS + 1
    look(world)
    assert world.asks_again("stateOf", 1) and world.asks_again("feeFor", 3, 4)


def test_a_view_that_is_not_listed_is_never_kept(world):
    assert world.asks_again("canJudge", 1) and world.asks_again("canJudge", 1)


@pytest.mark.parametrize("view", sorted(_DEPENDS))
def test_no_kept_view_reads_the_clock(view):
    """What time decides is derived by the reader; a view that read the clock would go stale without an event."""
    sources = "\n".join(path.read_text() for path in CONTRACTS.glob("*.sol"))
    bodies = re.findall(rf"function {view}\([^{{]*\{{(.*?)\n    \}}", sources, re.S)
    public = re.search(rf"public (?:override )?(?:immutable |override )*{view}\b|{view};", sources)
    assert bodies or public, f"{view} is no view of ours"
    assert not any(re.search(r"block\.|_now\(|_time\(", body) for body in bodies)
