# SPDX-License-Identifier: Apache-2.0
"""Random traces: contracts and twin play the same calls, and after each call say the same, to the last unit.

After its last call a stranger brings every trace to its end.

TRACES and TRACE_CALLS make the run longer, TRACE_SEED begins elsewhere.
"""

from __future__ import annotations

import inspect
import os
import random
from collections import Counter

import pytest
from trace_chain import Call, Disagreement
from trace_ends import check_due, finish
from trace_people import BEGIN, Stage
from trace_player import Player
from world import START

from swarm.protocol.lifecycle import Market
from swarm.protocol.lifecycle.market import PARTS
from swarm.protocol.types import CaseStatus, Ruling

TRACES = int(os.environ.get("TRACES", "200"))
CALLS = int(os.environ.get("TRACE_CALLS", "50"))
SEED = int(os.environ.get("TRACE_SEED", "1"))
ENDS_CASE = ("court.confirm", "court.vouch", "court.replace_judge", "court.execute", "court.expose_canary")
ENOUGH = 10_000  # calls after which everything must have happened
REPLAYS = 300  # that finding a short trace may take


@pytest.fixture(scope="module")
def stage():
    from rpc import Rpc

    rpc = Rpc()
    snapshot = rpc.call("evm_snapshot")
    if rpc.now() < START:
        rpc.travel_to(START)
    rpc.call("anvil_autoImpersonateAccount", True)
    rpc.travel_to(BEGIN)
    yield Stage()
    rpc.call("anvil_autoImpersonateAccount", False)
    rpc.call("evm_revert", snapshot)


def verbs(market: Market) -> set[str]:
    """Every call the twin knows."""
    return {
        f"{part}.{name}"
        for part in PARTS
        for name, member in inspect.getmembers(type(getattr(market, part)))
        if getattr(member, "is_verb", False)
    }


def test_contracts_and_twin_say_the_same_after_every_call(stage):
    stage.chain.counts.clear()
    endings: Counter[str] = Counter()
    for number in range(SEED, SEED + TRACES):
        trace = play(stage, number, endings)
        if trace is not None:
            calls, fault = trace
            shorter, fault = shrunk(stage, calls, fault)
            told = "\n".join(f"  {stage.people.told(call)}" for call in shorter)
            pytest.fail(f"trace {number} (TRACE_SEED={number} TRACES=1): {fault}\n{told}", pytrace=False)
    print(report(stage.chain.counts))
    print("\n".join(f"{name:40} {count:6}" for name, count in sorted(endings.items())))
    silent = {verb for verb in verbs(stage.chain.market) if not stage.chain.counts[verb, ""]}
    if TRACES * CALLS >= ENOUGH:
        assert not silent, f"never succeeded: {sorted(silent)}"
        unseen = {ruling.name for ruling in Ruling if ruling != Ruling.NONE} - {ending.split()[0] for ending in endings}
        assert not unseen, f"no case ended as {unseen}"


def play(stage: Stage, number: int, endings: Counter[str]) -> tuple[list[Call], Disagreement] | None:
    """Plays one trace; the calls it took and what was wrong, or nothing."""
    stage.reset()
    rng = random.Random(number)
    player = Player(stage.chain, stage.people, rng, stage.now)
    calls: list[Call] = []
    for _ in range(CALLS):
        calls.append(player.next_call())
        try:
            refusal = stage.chain.play(calls[-1])
            note_ending(stage.chain.market, calls[-1], refusal, endings)
            check_due(stage.chain.market, calls[-1].at + rng.choice((0, 1, 900, 1_201, 3_601, 7_200)))
        except Disagreement as fault:
            return calls, fault
    try:
        finish(stage, calls[-1].at)
    except Disagreement as fault:
        return calls, fault
    return None


def note_ending(market: Market, call: Call, refusal: str, endings: Counter[str]) -> None:
    """Counts how cases end."""
    if refusal or call.verb not in ENDS_CASE:
        return
    case = market.court.case_of(call.arguments[0].job_id)
    if case.status == CaseStatus.CLOSED:
        kind = "audit" if case.answers_draw else "challenge"
        endings[f"{case.ruling.name} {kind}, {case.comparison.name}, instance {case.instance}"] += 1


def shrunk(stage: Stage, calls: list[Call], fault: Disagreement) -> tuple[list[Call], Disagreement]:
    """Leaves out calls as long as contracts and twin still disagree."""
    size, replays = len(calls) // 2, 0
    while size:
        at = 0
        while at < len(calls) and replays < REPLAYS:
            shorter, replays = calls[:at] + calls[at + size :], replays + 1
            found = replay(stage, shorter)
            if found is None:
                at += size
            else:
                calls, fault = shorter[: found[0] + 1], found[1]
        size //= 2
    return calls, fault


def replay(stage: Stage, calls: list[Call]) -> tuple[int, Disagreement] | None:
    """Where a list of calls goes wrong."""
    stage.reset()
    for i, call in enumerate(calls):
        try:
            stage.chain.play(call)
            check_due(stage.chain.market, call.at)
        except Disagreement as fault:
            return i, fault
    try:
        finish(stage, calls[-1].at if calls else stage.now)
    except Disagreement as fault:
        return len(calls), fault
    return None


def report(counts: Counter) -> str:
    """Per verb, how often it was taken and what refused it."""
    lines = []
    for verb in sorted({verb for verb, _ in counts}):
        refusals = sorted((name, n) for (which, name), n in counts.items() if which == verb and name)
        told = ", ".join(f"{name} {n}" for name, n in refusals)
        lines.append(f"{verb:24} {counts[verb, '']:6} taken; {told}")
    total, taken = sum(counts.values()), sum(n for (_, name), n in counts.items() if not name)
    return "\n".join([*lines, f"{total} calls, {taken} taken, {total - taken} refused"])
