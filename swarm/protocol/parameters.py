# SPDX-License-Identifier: Apache-2.0
"""A deployment's parameters and the order of its constructors. Seconds, token units (18 decimals), basis points.

There is no setter anywhere: a new value is a new deployment.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from swarm.errors import UsageError

TOKEN = 10**18
HOUR = 3_600
DAY = 24 * HOUR

# drand "evmnet": threshold BLS on BN254, unchained, a round every three seconds.
EVMNET_KEY = (
    0x07E1D1D335DF83FA98462005690372C643340060D205306A9AA8106B6BD0B382,
    0x0557EC32C2AD488E4D4F6008F89A346F18492092CCC0D594610DE2732C8B808F,
    0x0095685AE3A85BA243747B1B2F426049010F6B73A0CF1D389351D5AAAA1047F6,
    0x297D3A4F9749B33EB2D904C9D9EBF17224150DDD7ABD7567A9BEC6C74480EE0B,
)
EVMNET_GENESIS = 1_727_521_075
EVMNET_CHAIN_HASH = "04f1e9062b8a81f848fded9c12306733282b2727ecced50032187751166ec8c3"


# The line in which the contracts are created. Some name later ones, whose addresses follow from deployer and nonce.
LINE = ("StakeVault", "Beacon", "JudgeBench", "Ballots", "AuditCourt", "Reputation", "JobEscrow")
ESCROW_NEEDS = (
    "FaucetToken",
    "StakeVault",
    "Beacon",
    "JudgeBench",
    "AuditCourt",
    "Reputation",
)  # `JobEscrow.Contracts`


@dataclass(frozen=True, slots=True)
class DeploymentParameters:
    """Everything the constructors take, apart from addresses."""

    # vault
    unbond_delay: int
    # beacon
    beacon_key: tuple[int, int, int, int]  # G2: x_im, x_re, y_im, y_re
    beacon_genesis: int
    beacon_period: int
    rounds_per_epoch: int
    fallback_patience: int
    fallback_commit_seconds: int
    fallback_reveal_seconds: int
    # bench
    slot_bond: int
    slot_exit_delay: int
    # ballots
    seal_min_seconds: int
    reveal_seconds: int
    draw_window: int
    # court
    judge_min_seconds: int
    appeal_seconds: int
    # reputation
    reputation_unit: int
    # escrow
    min_price: int
    fee_min: int
    audit_window: int
    max_run_seconds: int
    max_segments: int
    # ballots and escrow
    seed_delay: int
    # court and escrow
    max_segment_seconds: int

    @classmethod
    def production(cls) -> DeploymentParameters:
        """An L2 with drand evmnet. One epoch a minute, so that jobs of a minute share one verified round."""
        return cls(
            unbond_delay=HOUR,
            beacon_key=EVMNET_KEY,
            beacon_genesis=EVMNET_GENESIS,
            beacon_period=3,
            rounds_per_epoch=20,
            fallback_patience=24 * HOUR,
            fallback_commit_seconds=2 * HOUR,
            fallback_reveal_seconds=2 * HOUR,
            slot_bond=500 * TOKEN,
            slot_exit_delay=7 * DAY,
            seal_min_seconds=2 * HOUR,
            reveal_seconds=2 * HOUR,
            draw_window=24 * HOUR,
            judge_min_seconds=4 * HOUR,
            appeal_seconds=24 * HOUR,
            reputation_unit=100 * TOKEN,
            min_price=TOKEN // 10,
            fee_min=TOKEN // 50,
            audit_window=24 * HOUR,
            max_run_seconds=72 * HOUR,
            max_segments=1_024,
            seed_delay=60,
            max_segment_seconds=2 * HOUR,
        )

    @classmethod
    def devnet(cls, *, beacon_key: tuple[int, int, int, int], genesis: int) -> DeploymentParameters:
        """The same rules with short windows and a test key whose holder is the devnet itself."""
        return replace(
            cls.production(),
            unbond_delay=30,
            beacon_key=beacon_key,
            beacon_genesis=genesis,
            rounds_per_epoch=1,
            fallback_patience=20,
            fallback_commit_seconds=10,
            fallback_reveal_seconds=10,
            slot_exit_delay=7 * DAY,
            seal_min_seconds=10,
            reveal_seconds=10,
            draw_window=30,
            judge_min_seconds=60,
            appeal_seconds=10,
            audit_window=20,
            seed_delay=6,
        )

    @classmethod
    def from_json(cls, path: Path) -> DeploymentParameters:
        """Reads a parameter file. Raises UsageError for a missing, unknown or wrongly typed key."""
        try:
            raw = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read parameters from {path}: {error}") from error
        known = {field.name for field in fields(cls)}
        if not isinstance(raw, dict) or set(raw) != known:
            odd = sorted(known ^ set(raw)) if isinstance(raw, dict) else []
            raise UsageError(f"{path} must hold exactly the deployment parameters", hint=f"check {', '.join(odd)}")
        raw["beacon_key"] = tuple(int(word_, 0) if isinstance(word_, str) else word_ for word_ in raw["beacon_key"])
        return cls(**raw)

    def to_json(self) -> dict:
        """The same, as plain JSON values; key words as hexadecimal text."""
        return asdict(self) | {"beacon_key": [hex(word_) for word_ in self.beacon_key]}

    def constructor_arguments(self, contract: str, at: dict[str, str]) -> tuple:
        """What the constructor of `contract` takes; `at` gives every address, those of later contracts computed."""
        return {
            "StakeVault": lambda: (at["FaucetToken"], self.unbond_delay),
            "Beacon": lambda: (
                list(self.beacon_key),
                self.beacon_genesis,
                self.beacon_period,
                self.rounds_per_epoch,
                at["JudgeBench"],
                (self.fallback_patience, self.fallback_commit_seconds, self.fallback_reveal_seconds),
            ),
            "JudgeBench": lambda: (
                at["StakeVault"],
                at["AuditCourt"],
                at["Ballots"],
                at["JobEscrow"],
                self.slot_bond,
                self.slot_exit_delay,
            ),
            "Ballots": lambda: (
                at["Beacon"],
                at["JudgeBench"],
                at["AuditCourt"],
                at["JobEscrow"],
                self.ballot_parameters(),
            ),
            "AuditCourt": lambda: (
                at["Beacon"],
                at["JudgeBench"],
                at["Ballots"],
                at["JobEscrow"],
                self.court_parameters(),
            ),
            "Reputation": lambda: (at["JobEscrow"], self.reputation_unit),
            "JobEscrow": lambda: (
                tuple(at[name] for name in ESCROW_NEEDS),
                self.escrow_parameters(),
            ),
        }[contract]()

    def ballot_parameters(self) -> tuple:
        """`BallotParameters`, in the order of the struct."""
        return (self.seal_min_seconds, self.reveal_seconds, self.draw_window, self.seed_delay)

    def court_parameters(self) -> tuple:
        """`CourtParameters`, in the order of the struct."""
        return (self.judge_min_seconds, self.appeal_seconds, self.max_segment_seconds)

    def escrow_parameters(self) -> tuple:
        """`EscrowParameters`, in the order of the struct."""
        return (
            self.min_price,
            self.fee_min,
            self.seed_delay,
            self.audit_window,
            self.max_run_seconds,
            self.max_segment_seconds,
            self.max_segments,
        )
