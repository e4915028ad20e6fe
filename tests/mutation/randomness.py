# SPDX-License-Identifier: Apache-2.0
"""Faults of seeds, draws, commitments and windows."""

from tests.mutation.fault import Fault, faults_of

BEACON = faults_of(
    "beacon",
    "contracts/Beacon.sol",
    (
        "a seed before its round",
        "chance",
        "require(block.timestamp >= roundTime, TooEarly(roundTime, uint64(block.timestamp)));",
        "roundTime;",
        "beacon",
    ),
    (
        "a seed written twice",
        "chance",
        "require(seedOf[epoch] == 0 && _fallbackSeeds[epoch] == 0, SeedAlreadyKnown(epoch));",
        "",
        "beacon",
    ),
    (
        "a late round replaces the judges' seed",
        "chance",
        "seedOf[epoch] == 0 && _fallbackSeeds[epoch] == 0, Seed",
        "seedOf[epoch] == 0, Seed",
        "seed_fallback",
    ),
    (
        "a seed nobody signed",
        "chance",
        "require(_isSigned(signature, messagePoint(round)), InvalidSignature());",
        "round;",
        "beacon",
    ),
    (
        "a malformed point burns all gas",
        "guard",
        "PAIRING.staticcall{gas: PAIRING_GAS}(points)",
        "PAIRING.staticcall(points)",
        "beacon",
    ),
)

FALLBACK = faults_of(
    "fallback",
    "contracts/SeedFallback.sol",
    (
        "judges' secrets before patience ends",
        "clock",
        "require(_now() >= from, TooSoon(from, _now()));\n        if (attempt.openedAt == 0)",
        "from;\n        if (attempt.openedAt == 0)",
        "seed_fallback",
    ),
    (
        "anybody commits a secret",
        "authority",
        "require(speaks && commitment != 0, OnlyActiveJudge(slotId));",
        "require(speaks || commitment != 0, OnlyActiveJudge(slotId));",
        "seed_fallback",
    ),
    (
        "a commitment is exchanged",
        "binding",
        "require(_commitments[epoch][attempt.number][slotId] == 0, AlreadyCommitted(slotId));",
        "",
        "seed_fallback",
    ),
    (
        "a secret nobody committed",
        "binding",
        "require(_commitments[epoch][attempt.number][slotId] == commitment, WrongSecret(slotId));",
        "commitment;",
        "seed_fallback",
    ),
    (
        "a secret is mixed in twice",
        "state",
        "delete _commitments[epoch][attempt.number][slotId];",
        "",
        "seed_fallback",
    ),
    (
        "the block is chosen again",
        "chance",
        "require(attempt.blockNumber == 0 || isForgotten, BlockAlreadyFixed(attempt.blockNumber));",
        "isForgotten;",
        "seed_fallback",
    ),
    (
        "a block already seen",
        "chance",
        "BLOCKS_AHEAD = 2;",
        "BLOCKS_AHEAD = 0;",
        "seed_fallback",
    ),
    (
        "the last revealer closes early",
        "clock",
        "uint40 from = attempt.openedAt + _commitSeconds + _revealSeconds + 1;",
        "uint40 from = attempt.openedAt + _commitSeconds + 1;",
        "seed_fallback",
    ),
    (
        "secrets without a block",
        "chance",
        "require(attempt.blockHash != 0, BlockNotKnown(attempt.blockNumber));",
        "",
        "seed_fallback",
    ),
    (
        "judges replace a round that came",
        "chance",
        "_requireUnknown(epoch);\n        require(_now() >= from, TooSoon(from, _now()));",
        "require(_now() >= from, TooSoon(from, _now()));",
        "seed_fallback",
    ),
)

COMMITMENT = faults_of(
    "commitment",
    "contracts/libraries/Commitment.sol",
    (
        "a leaf opens at any index",
        "binding",
        "uint256(JobId.unwrap(jobId)), index, digest_, outputCid",
        "uint256(JobId.unwrap(jobId)), index - index, digest_, outputCid",
        "commitment",
    ),
    (
        "a leaf opens in any job",
        "binding",
        "uint256(JobId.unwrap(jobId)), index, digest_, outputCid",
        "uint256(JobId.unwrap(jobId) * 0), index, digest_, outputCid",
        "commitment",
    ),
    (
        "a leaf without the output",
        "binding",
        "uint256(JobId.unwrap(jobId)), index, digest_, outputCid",
        "uint256(JobId.unwrap(jobId)), index, digest_, outputCid & 0",
        "commitment",
    ),
    (
        "a node passes for a leaf",
        "binding",
        "sha256(abi.encodePacked(bytes1(0x01), left, right));",
        "sha256(abi.encodePacked(bytes1(0x00), left, right));",
        "commitment",
    ),
    (
        "a seal anybody can replay",
        "binding",
        "uint256 who = uint160(judge);",
        "uint256 who = uint160(judge) * 0;",
        "commitment committee",
    ),
    (
        "a seal for every round",
        "binding",
        "abi.encodePacked(bytes1(0x02), job, round, who,",
        "abi.encodePacked(bytes1(0x02), job, round - round, who,",
        "commitment committee",
    ),
)

DRAW = faults_of(
    "draw",
    "contracts/libraries/Draw.sol",
    (
        "the root does not matter",
        "binding",
        "bytes1(0x10), seed, _word(jobId), root",
        "bytes1(0x10), seed, _word(jobId), root & 0",
        "draws",
    ),
    (
        "audit and segment share a hash",
        "chance",
        "bytes1(0x11), seed",
        "bytes1(0x10), seed",
        "draws",
    ),
    (
        "every probe looks at one slot",
        "chance",
        "seed, _word(jobId), round, t)",
        "seed, _word(jobId), round, t - t)",
        "draws",
    ),
)

WINDOWS = faults_of(
    "windows",
    "contracts/libraries/Windows.sol",
    (
        "no time to re-execute in",
        "clock",
        "return wanted > least ? wanted : least;",
        "return wanted < least ? wanted : least;",
        "audit committee",
    ),
)

EPOCHS = faults_of(
    "epochs",
    "contracts/libraries/Epochs.sol",
    (
        "the round before the delay",
        "chance",
        "(time - genesis + span - 1) / span;",
        "(time - genesis) / span;",
        "beacon draws",
    ),
)

STATE_HASH = faults_of(
    "state_hash",
    "contracts/libraries/StateHash.sol",
    (
        "the last field is not bound",
        "binding",
        "JOB_BYTES = 15 * 32;",
        "JOB_BYTES = 14 * 32;",
        "accept submit",
    ),
    (
        "the named seller is not bound",
        "binding",
        "TERMS_BYTES = 15 * 32;",
        "TERMS_BYTES = 14 * 32;",
        "filters",
    ),
)

RANDOMNESS_FAULTS: tuple[Fault, ...] = (*BEACON, *FALLBACK, *COMMITMENT, *DRAW, *WINDOWS, *EPOCHS, *STATE_HASH)
