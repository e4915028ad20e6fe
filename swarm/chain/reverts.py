# SPDX-License-Identifier: Apache-2.0
"""Custom errors of the contracts as exceptions: one subclass of Reverted each, with the values the contract gave.

`{0}`, `{1}` stand for the error's arguments; an amount is written in tokens, a status by its name.
"""

from __future__ import annotations

from functools import cache

from eth_abi import decode
from eth_utils import keccak

from swarm.chain import artifacts
from swarm.errors import FundsError, Reverted
from swarm.protocol.types import BallotStatus, CaseStatus, JobStatus
from swarm.units import format_amount


class _Refusal(Reverted):
    """A custom error of ours, decoded."""

    name = ""

    def __init__(self, message: str, *, hint: str | None = None, arguments: tuple = ()) -> None:
        super().__init__(message, hint=hint)
        self.arguments = arguments


_FUNDS = FundsError.exit_code

# name → (sentence, what to do, exit code)
_SENTENCES: dict[str, tuple[str, str | None, int]] = {
    # vault
    "ZeroAmount": ("the amount is zero", "give a positive amount", 2),
    "InsufficientStake": ("needs {0:amount} of free stake, {1:amount} is there", "swarm stake deposit", _FUNDS),
    "InsufficientLock": ("needs {0:amount} locked, {1:amount} is", None, 9),
    "NotAuthorised": ("{0} has not authorised {1} to lock its stake", "swarm stake deposit authorises it", 9),
    "StillLocked": ("{0:amount} of stake is still locked", "wait until the jobs are final", 9),
    "NotReady": ("the stake is unbonding until {0}, the chain's time is {1}", "try again later", 9),
    "UnknownUnbonding": ("there is no unbonding number {0}", "swarm stake show lists them", 3),
    "PartialTransfer": ("{0:amount} was sent but {1:amount} arrived", "use a token without a transfer fee", 9),
    # beacon
    "InvalidSignature": ("the beacon refused the signature of this round", None, 13),
    "InvalidPublicKey": ("the beacon's public key is not on the curve", "check the deployment parameters", 2),
    "SeedAlreadyKnown": ("the seed of epoch {0} is already known", None, 9),
    "TooSoon": ("this is possible from {0} on, the chain's time is {1}", "try again later", 9),
    "TooLateNow": ("this was possible until {0}, the chain's time is {1}", None, 12),
    "FallbackSeedKnown": ("the seed of epoch {0} is already known", None, 9),
    "OnlyActiveJudge": ("only the operator of the active slot {0} may do this", None, 9),
    "AlreadyCommitted": ("slot {0} has already committed", None, 9),
    "WrongSecret": ("this is not the secret slot {0} committed to", None, 13),
    "NothingCommitted": ("nobody has committed a secret for epoch {0}", None, 9),
    "BlockAlreadyFixed": ("block {0} is already fixed", None, 9),
    "BlockNotKnown": ("the hash of block {0} is not known", "try again later", 9),
    # escrow
    "StaleJob": ("job {0} has moved on, or was never posted", "read it again", 9),
    "StaleTerms": ("these are not the job's terms", "read the job again", 9),
    "WrongStatus": ("the job is {1:job}, this needs it {0:job}", "swarm job show tells its state", 9),
    "OnlyBuyer": ("only the buyer {0} may do this", None, 9),
    "OnlySeller": ("only the seller {0} may do this", None, 9),
    "OnlyCourt": ("only the court {0} may do this", None, 9),
    "OnlyBench": ("only the judges' bench {0} may do this", None, 9),
    "OnlyEscrow": ("only the escrow {0} may do this", None, 9),
    "PriceTooLow": ("the lowest price is {0:amount}, this one is {1:amount}", "raise budget.max_total", 4),
    "PriceFalls": ("the price rises from {0:amount}, it cannot end at {1:amount}", "raise budget.max_total", 4),
    "SegmentsOutOfRange": ("a job has 1 to {0} segments, this one {1}", "change steps_per_segment", 4),
    "PartsOutOfRange": ("a job can be shared by 1 to {0} sellers, not {1}", None, 4),
    "SecondsOutOfRange": ("at most {0} seconds are allowed, {1} were asked", "shorten the run or its segments", 4),
    "EmptyCid": ("a CID is missing", None, 4),
    "EmptyRoot": ("the segment root is missing", None, 9),
    "NothingPosted": ("there is no spec to post", None, 4),
    "SellerIsBuyer": ("the buyer cannot be the seller of its own job", "use another account", 2),
    "ReputationTooLow": ("the buyer asks for a reputation of {0} bps, the seller has {1}", "take other jobs first", 9),
    "CollateralTooLow": ("the collateral must be at least {0:amount}, not {1:amount}", "raise --collateral", _FUNDS),
    "NotEnoughJudges": ("class {0} has fewer than four independent judges", "wait for judges to register", 7),
    "WrongOutput": ("the output is not the one that the last done segment commits to", None, 13),
    "TooLate": ("the deadline was {0}, the chain's time is {1}", None, 12),
    "TooEarly": ("this is possible from {0} on, the chain's time is {1}", "try again later", 9),
    "AwaitingSeed": ("the seed of epoch {0} is not known yet", "wait for its round", 9),
    "NotDrawn": ("the seed did not draw this job for an audit", None, 9),
    "AuditPending": ("the job was drawn and its audit is not finished", "wait for the judges", 9),
    "NothingToClaim": ("there is nothing to claim", None, 9),
    "WrongCourt": ("the court belongs to {0}", "deploy in order", 9),
    # bench
    "OnlyTheCourts": ("only the court {0} and its ballots {1} may do this", None, 9),
    "OnlyTheTreasury": ("only the escrow {0} may do this", None, 9),
    "NothingEarned": ("slot {0} has no fees to collect", None, 9),
    "ZeroOperator": ("a slot needs an operator", "give --operator", 2),
    "OnlySlotOwner": ("only the slot's owner {0} may do this", None, 9),
    "SlotNotActive": ("slot {0} is not active", "verifier register", 9),
    "SlotNotEligible": ("slot {0} cannot judge this case", None, 9),
    "SlotBusy": ("the slot still has {0} live cases", "wait until they are ruled", 9),
    "ExitDelayRunning": ("the slot's bond is free from {0} on, the chain's time is {1}", "try again later", 9),
    # court
    "OnlyAuditable": ("only the escrow may do this", None, 9),
    "WrongCaseStatus": ("the case is {1:case}, this needs it {0:case}", None, 9),
    "CaseAlreadyOpen": ("a case of job {0} is already open, or its audit answered", None, 9),
    "CaseDeadlinePassed": ("the deadline was {0}, the chain's time is {1}", None, 12),
    "CaseDeadlineRunning": ("the deadline {0} is not over, the chain's time is {1}", "try again later", 9),
    "NotTheJudge": ("the judge of this case is slot {0}", None, 9),
    "NoVolunteerWanted": ("the case has a judge", None, 9),
    "NotForComparison": ("this is not possible in comparison class {0}", None, 9),
    "UnfitVerdict": ("a judge cannot deny with {0} here", None, 9),
    "OpeningNotCommitted": ("the opening does not lead to the committed root", None, 13),
    "NoSuchSegment": ("the job has no segment {0}", "swarm job show tells how many it has", 2),
    "TermsDiffer": ("these are not the job's terms", "read the job again", 9),
    "NotAChallenge": ("nobody can join this case", None, 9),
    "TooManyChallengers": ("at most {0} accounts may challenge together", None, 9),
    "SellerChallenges": ("a seller cannot challenge its own result", None, 9),
    "FinalInstance": ("fifteen judges are the last instance", None, 9),
    "NotACanary": ("this is not a canary that can be shown now", None, 9),
    "UnsafeDelays": ("the slot exit delay is shorter than a case can last", "check the deployment parameters", 2),
    # ballots
    "OnlyTheCourt": ("only the court {0} may do this", None, 9),
    "WrongBallotStatus": ("the ballot is {1:ballot}, this needs it {0:ballot}", None, 9),
    "DeadlinePassed": ("the deadline was {0}, the chain's time is {1}", None, 12),
    "DeadlineRunning": ("the deadline {0} is not over, the chain's time is {1}", "try again later", 9),
    "SeedNotKnown": ("the seed of epoch {0} is not known yet", "wait for its round", 9),
    "StaleDocket": ("these are not the job's terms", "read the job again", 9),
    "NotInCommittee": ("{0} does not have this seat of the committee", None, 9),
    "WrongComparison": ("this is not possible in comparison class {0}", None, 9),
    "WrongVerdict": ("a judge cannot say {0} here", None, 9),
    "WrongOpening": ("the opening does not lead to the committed root", None, 13),
    "WrongSegment": ("there is no segment {0} to open", None, 9),
    "WrongProofLength": ("the proof must have {0} steps, this one has {1}", None, 9),
    "AlreadySealed": ("this judge has already sealed", None, 9),
    "NotSealed": ("this judge has not sealed", None, 9),
    "AlreadyRevealed": ("this judge has already revealed", None, 9),
    "SealMismatch": ("what was revealed is not what was sealed", None, 13),
    "EmptySeal": ("a seal cannot be empty", None, 9),
    # token and libraries
    "ERC20InsufficientBalance": ("{0} holds {1:amount}, this needs {2:amount}", "swarm wallet fund", _FUNDS),
    "ERC20InsufficientAllowance": ("{0} may spend {1:amount}, this needs {2:amount}", "approve more", _FUNDS),
    "SafeERC20FailedOperation": ("the token {0} refused the transfer", "check balance and allowance", _FUNDS),
    "AddressEmptyCode": ("there is no contract at {0}", None, 9),
    "FailedCall": ("a call of several failed and gives no reason", None, 9),
    "ReentrancyGuardReentrantCall": ("a contract tried to call back into itself", None, 13),
    "BNAddFailed": ("the curve addition failed for {0}", None, 13),
    "InvalidDSTLength": ("the signature scheme's domain {0} has a wrong length", None, 2),
    "InvalidFieldElement": ("{0} is not an element of the curve's field", None, 13),
    "MapToPointFailed": ("no curve point was found for {0}", None, 13),
    "ModExpFailed": ("the modular power of {0} failed", None, 13),
    "CheckpointUnorderedInsertion": ("the bench was written out of order", None, 9),
    "FaucetLimit": ("the faucet gives at most {0:amount} a call, not {1:amount}", "ask for less", 2),
}


def _render(template: str, arguments: tuple) -> str:
    return template.format(*(_Argument(value) for value in arguments))


class _Argument:
    def __init__(self, value: object) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        value = self._value
        if spec == "amount":
            return format_amount(int(value)) + " TOK"  # type: ignore[call-overload]
        if spec == "job":
            return JobStatus(value).name.lower().replace("_", " ")
        if spec == "ballot":
            return BallotStatus(value).name.lower()
        if spec == "case":
            return CaseStatus(value).name.lower()
        return str(value)


@cache
def exceptions() -> dict[str, type[_Refusal]]:
    """The exception class of every custom error, by the error's name."""
    names = {entry["name"] for entry in artifacts.entries("error").values()} | set(_SENTENCES)
    return {name: _exception(name) for name in sorted(names)}


def _exception(name: str) -> type[_Refusal]:
    code = _SENTENCES[name][2] if name in _SENTENCES else Reverted.exit_code
    return type(name, (_Refusal,), {"name": name, "exit_code": code, "__doc__": f"`{name}` of the contracts."})


@cache
def _selectors() -> dict[bytes, tuple[str, list[str]]]:
    return {
        keccak(text=signature)[:4]: (entry["name"], [item["type"] for item in entry["inputs"]])
        for signature, entry in artifacts.entries("error").items()
    }


def described() -> frozenset[str]:
    """The custom errors that have a sentence of their own."""
    return frozenset(_SENTENCES)


def from_data(data: bytes) -> Reverted:
    """The exception for a revert's data; unknown data gives a plain Reverted that shows it."""
    if data[:4] == b"\x08\xc3\x79\xa0":
        return Reverted(f"the contract refused: {decode(['string'], data[4:])[0]}")
    known = _selectors().get(data[:4])
    if known is None:
        return Reverted(f"the contract refused with {'0x' + data[:36].hex() if data else 'no reason'}")
    name, types = known
    arguments = decode(types, data[4:])
    sentence, hint, _ = _SENTENCES.get(name, (name + " " + ", ".join(str(a) for a in arguments), None, 9))
    return exceptions()[name](_render(sentence, arguments), hint=hint, arguments=arguments)


def is_refusal(error: Exception, *names: str) -> bool:
    """Whether `error` is one of the named custom errors."""
    return isinstance(error, _Refusal) and error.name in names
