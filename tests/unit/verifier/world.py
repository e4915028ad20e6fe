# SPDX-License-Identifier: Apache-2.0
"""A chain and a replayer that only remember what they were asked."""

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from inspect import signature
from types import SimpleNamespace

from swarm.chain.ballots import Ballots
from swarm.chain.beacon import Beacon
from swarm.chain.bench import Bench
from swarm.chain.court import Court
from swarm.chain.escrow import Escrow
from swarm.protocol.fallback import FallbackParameters
from swarm.protocol.types import MATCH, Address, Amount, Bond, Digest, Opening, Slot, SlotId
from tests.unit.seller.test_plan import NOW
from tests.unit.verifier.cases import JUDY, OWNER
from verifier.finding import Finding
from verifier.view import Observed

SEED = Digest(bytes([5]) * 32)
LEAF, EVIDENCE = Digest(bytes([7]) * 32), Digest(bytes([8]) * 32)
OPENING = Opening(LEAF, LEAF, LEAF)
LATE_OWNER, LATE_OPERATOR = Address("0x" + "aa" * 20), Address("0x" + "ab" * 20)


def finding(**changes) -> Finding:
    return replace(Finding(2, LEAF, OPENING, True, (SEED,), EVIDENCE, 1.0, 1.0), **changes)


def word(verdict, segment=2) -> Finding:
    return finding(segment=segment, verdict=verdict, opening=None, matches=verdict == MATCH, proof=())


class NoWorkspaces:
    """For a replayer that writes no file."""

    home = "nowhere"

    def forget(self, job) -> None:
        pass

    def require_space(self) -> None:
        pass


@dataclass
class World:
    """One job and its case. `refuses` maps a call to what it raises; `answer` is what the replayer finds, or raises."""

    item: Observed
    answer: Finding | Exception = field(default_factory=finding)
    seed: tuple = (SEED, False)
    judges: tuple = ()
    to_be: tuple = ()  # whom the seed will draw: the judge, or the committee
    calls: list = field(default_factory=list)
    refuses: dict = field(default_factory=dict)
    reads: int = 0
    earned: int = 0
    workspaces = NoWorkspaces()
    slots: tuple = (Slot(SlotId(1), OWNER, 1, 0, 0, JUDY, 1), Slot(SlotId(2), LATE_OWNER, 1, 0, 0, LATE_OPERATOR, 1))

    def does(self, wrapper, name):
        """A method of `wrapper` that only remembers; its arguments must be such as the real one takes."""

        def call(account, *arguments, **options):
            signature(getattr(wrapper, name)).bind(None, account, *arguments, **options)
            if name in self.refuses:
                raise self.refuses[name]
            self.calls.append((name, (*arguments, *(option for option, chosen in options.items() if chosen))))

        return call

    def job(self, job_id):
        self.reads += 1
        return self.item.job

    def asked(self, job, round_=None):
        """Whom the contracts would draw now."""
        if isinstance(self.to_be, Exception):
            raise self.to_be
        return self.to_be if round_ else (*self.to_be, SlotId(0))[0]

    def replay(self, job, segment, **options):
        self.calls.append(("replay", (segment, options["is_patient"])))
        return self._answered()

    def fetch(self, job, **options):
        self.calls.append(("fetch", (options["is_patient"],)))
        return self._answered()

    def _answered(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def chain(self):
        verdicts = ("confirm", "vouch", "deny", "tally", "execute", "replace_judge", "volunteer")
        deeds = {name: self.does(Court, name) for name in verdicts}
        votes = {name: self.does(Ballots, name) for name in ("draw_committee", "seal", "reveal", "reveal_word")}
        return SimpleNamespace(
            client=SimpleNamespace(now=lambda: NOW, snapshot=lambda: nullcontext(NOW), reorganisations=0),
            bench=SimpleNamespace(
                slots=lambda after: list(self.slots[after:]),
                slot=lambda slot_id: self.slots[slot_id - 1],
                bond=lambda slot_id: Bond(Amount(100), Amount(0), 0, Amount(self.earned)),
                collect=self.does(Bench, "collect"),
            ),
            escrow=SimpleNamespace(
                job_count=lambda: 1,
                job=self.job,
                fee_for=lambda price, segments: 10,
                open_audit=self.does(Escrow, "open_audit"),
                judge_to_be=self.asked,
            ),
            court=SimpleNamespace(
                case=lambda job_id: self.item.case,
                judges_of=lambda job_id: list(self.judges),
                judge_min_seconds=lambda: 60,
                **deeds,
            ),
            ballots=SimpleNamespace(
                reveal_seconds=lambda: 10,
                seal_min_seconds=lambda: 60,
                ballot=lambda job_id, round_: self.item.ballot,
                committee_to_be=self.asked,
                **votes,
            ),
            beacon=SimpleNamespace(
                seed_for=lambda epoch: self.seed,
                time_of=lambda epoch: NOW - 100,
                round_of=lambda epoch: 3 * epoch,
                fallback_parameters=lambda: FallbackParameters(1_000, 10, 10),
                submit=self.does(Beacon, "submit"),
            ),
            drand=SimpleNamespace(signature=lambda round_: (round_, 1)),
        )
