# SPDX-License-Identifier: Apache-2.0
"""Every error a person can meet, drawn as one tree. Its class says who must act; its exit code is the shell's.

SwarmError                 1   something unexpected
├── UsageError             2   the person: fix the command or the settings
│   ├── NotFound           3   no such job, account, file
│   ├── SpecError          4   the spec or the dataset is invalid (OtherVersion: a version that we are not knows it)
│   ├── WalletError        5   locked, wrong passphrase, no account
│   ├── FundsError         6   too little balance, allowance, stake or gas; spend cap reached
│   └── NoOffer            7   nobody can take this job
├── TransientError         8   wait and retry: RPC, store or engine unreachable
│   └── NotMined           9   a transaction was sent and is not mined yet
├── Reverted               9   the contract refused (one subclass per custom error: swarm.chain.reverts)
├── JobFailed             10   the job itself failed: its program, its limits, its sandbox
└── IntegrityError        13   somebody may be lying: never retried, evidence kept (WrongBytes: a store lied)
"""

from __future__ import annotations


class SwarmError(Exception):
    """Base of all errors raised on purpose. `hint` says what to do next, in one clause."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(SwarmError):
    exit_code = 2


class NotFound(UsageError):
    exit_code = 3


class NoSuchName(NotFound):
    """A directory that is there has no entry of that name: waiting for it does not help."""


class SpecError(UsageError):
    exit_code = 4


class OtherVersion(SpecError):
    """What another version of these programs may know: no verdict on anybody follows from it."""


class WalletError(UsageError):
    exit_code = 5


class FundsError(UsageError):
    exit_code = 6


class NoOffer(UsageError):
    exit_code = 7


class TransientError(SwarmError):
    exit_code = 8


class NotMined(TransientError):
    exit_code = 9


class Reverted(SwarmError):
    exit_code = 9
    is_mined = False  # whether the call failed in a block, and its gas was paid; else nothing was sent


class JobFailed(SwarmError):
    exit_code = 10


class IntegrityError(SwarmError):
    exit_code = 13


class WrongBytes(IntegrityError):
    """A store sent other bytes than the content's name says. That tells nothing about the content or who made it."""
