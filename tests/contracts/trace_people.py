# SPDX-License-Identifier: Apache-2.0
"""Who plays the traces: buyers, sellers with a key and a purse of their own, judges of two classes, one the token does
not pay."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

from brownie import HookToken
from eth_utils import keccak, to_checksum_address
from trace_chain import Call, Chain
from world import START, World, parameters

from swarm.protocol.lifecycle import DonePart
from swarm.protocol.parameters import TOKEN, DeploymentParameters
from swarm.protocol.types import Job, Opening, Terms

BEGIN = START + 10_000_000  # after everything the other tests did
OPENING = BEGIN + 1_000  # after the deployment, however long it takes
COMMON, RARE = 1, 2  # hardware classes; the rare one has too few judges
WEALTH = 20_000 * TOKEN
JUDGES = 14


def trace_parameters() -> DeploymentParameters:
    """Short windows, long epochs: few signatures decide many jobs."""
    return replace(
        parameters(),
        beacon_genesis=BEGIN - 1_000,
        rounds_per_epoch=100,
        fallback_patience=3_600,
        slot_exit_delay=20_000,
        seal_min_seconds=900,
        reveal_seconds=600,
        draw_window=3_600,
        judge_min_seconds=900,
        appeal_seconds=1_200,
        reputation_unit=20 * TOKEN,
        audit_window=3_600,
        max_segment_seconds=600,
        unbond_delay=2_000,
    )


@dataclass(frozen=True)
class People:
    """Everybody's address by role."""

    buyers: tuple[str, ...]
    sellers: tuple[str, ...]
    judges: tuple[str, ...]
    hand: str  # acts for the second seller
    purse: str  # is paid for the second seller and the fifth judge
    stranger: str
    poor: str

    def told(self, call: Call) -> str:
        """A call in one line, everybody by role."""
        names = {seat: name for name in ("hand", "purse", "stranger", "poor") for seat in [getattr(self, name)]}
        for role in ("buyers", "sellers", "judges"):
            names |= {who: f"{role[:-1]} {i}" for i, who in enumerate(getattr(self, role))}

        def short(value: object) -> str:
            if isinstance(value, Job):
                return f"job {value.job_id} as {value.status.name} until {value.deadline}"
            if isinstance(value, bytes):
                return value.hex()[:8]
            if isinstance(value, Terms):
                return f"terms of {value.segments} segments at {value.max_price}, {value.comparison.name}"
            if isinstance(value, tuple):
                return f"[{' '.join(map(short, value))}]"
            if isinstance(value, Opening | DonePart):
                return f"{type(value).__name__} {short(astuple(value))}"
            return names.get(value, str(value)) if isinstance(value, str) else str(value)

        return f"{call.at} {names[call.caller]}: {call.verb}({', '.join(map(short, call.arguments))})"

    def everybody(self) -> tuple[str, ...]:
        return (*self.buyers, *self.sellers, *self.judges, self.hand, self.purse, self.stranger, self.poor)


class Stage:
    """The market as every trace finds it."""

    def __init__(self) -> None:
        world = World(HookToken, trace_parameters())
        # The token calls who asked for it; without code to answer, its payments fail.
        unpaid = to_checksum_address(keccak(text="seller 2")[12:])
        self.chain = Chain(world, (unpaid,))
        self.people = self._cast()
        assert self.people.sellers[2] == unpaid
        self._approve(unpaid)
        self.now = OPENING
        self._open()
        self._storage = self.chain.market.snapshot()
        self._snapshot = world.rpc.call("evm_snapshot")

    def reset(self) -> None:
        """Contracts and twin go back to where traces begin."""
        rpc, market = self.chain.world.rpc, self.chain.market
        rpc.call("evm_revert", self._snapshot)
        self._snapshot = rpc.call("evm_snapshot")
        market.restore(self._storage)
        self._storage = market.snapshot()

    def _cast(self) -> People:
        actor = self.chain.actor
        return People(
            buyers=tuple(actor(f"buyer {i}") for i in range(2)),
            sellers=tuple(actor(f"seller {i}") for i in range(3)),
            judges=tuple(actor(f"judge {i}") for i in range(JUDGES)),
            hand=actor("hand"),
            purse=actor("purse"),
            stranger=actor("stranger"),
            poor=actor("poor"),
        )

    def _approve(self, unpaid: str) -> None:
        world = self.chain.world
        for person in self.people.everybody():
            for spender in (world.vault, world.escrow):
                world.send(world.token.approve, spender, 2**256 - 1, sender=person)
        world.send(world.token.setHook, True, sender=unpaid)

    def _open(self) -> None:
        people, at = self.people, self.chain.market.at
        for person in (*people.buyers, *people.sellers, *people.judges, people.stranger):
            self._do("token.faucet", person, person, WEALTH)
        self._do("token.faucet", people.poor, people.poor, TOKEN)
        for seller in people.sellers:
            self._do("vault.deposit", seller, seller, WEALTH // 2)
            self._do("vault.authorise", seller, at["JobEscrow"])
        self._do("vault.set_keys", people.sellers[1], people.hand, people.purse)
        self._do("vault.set_keys", people.judges[4], people.judges[4], people.purse)
        for i, judge in enumerate(people.judges):
            operator = people.hand if i == 1 else judge
            self._sit(judge, operator, COMMON)
            if i in (2, 3):
                self._sit(judge, judge, RARE if i == 2 else COMMON)
        for judge in people.judges[6:9]:
            self._do("vault.deposit", judge, judge, 2 * self.chain.market.parameters.slot_bond)
        # A buyer who judges too.
        self._sit(people.buyers[1], people.buyers[1], COMMON)

    def _sit(self, judge: str, operator: str, hardware_class: int) -> None:
        market = self.chain.market
        self._do("vault.deposit", judge, judge, market.parameters.slot_bond)
        self._do("vault.authorise", judge, market.at["JudgeBench"])
        self._do("bench.take_slot", judge, hardware_class, operator)

    def _do(self, verb: str, caller: str, *arguments: object) -> None:
        self.now += 1
        refusal = self.chain.play(Call(verb, caller, arguments, self.now))
        assert not refusal, (verb, refusal)
