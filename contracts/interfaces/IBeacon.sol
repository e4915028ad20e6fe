// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {FallbackParameters} from "./Parameters.sol";
import {SlotId} from "./Types.sol";

type Epoch is uint32;

/// @title What decides when the public randomness stops: judges' secrets and a block nobody had seen.
/// @notice From `patience` after a round's time on, judges commit to secrets, then a coming block is fixed, then the secrets are
/// revealed; the seed is the hash of their XOR and the block's hash. The last to reveal may choose between two outcomes by
/// staying silent, which is why the audit rate of such jobs is doubled.
interface ISeedFallback {
    struct Attempt {
        uint40 openedAt;
        uint16 number; // counts attempts in which nobody revealed
        uint16 commitments;
        uint16 reveals;
        uint64 blockNumber; // whose hash is mixed in; fixed before anybody can know it
        bytes32 blockHash;
        bytes32 mix; // XOR of the revealed secrets
    }

    event FallbackCommitted(Epoch indexed epoch, SlotId indexed slotId, uint16 attempt, bytes32 commitment);
    event FallbackBlockFixed(Epoch indexed epoch, uint64 blockNumber);
    event FallbackRevealed(Epoch indexed epoch, SlotId indexed slotId, bytes32 secret);
    event FallbackSeedStored(Epoch indexed epoch, bytes32 seed);

    error TooSoon(uint40 from, uint40 time);
    error TooLateNow(uint40 until, uint40 time);
    error FallbackSeedKnown(Epoch epoch);
    error OnlyActiveJudge(SlotId slotId);
    error AlreadyCommitted(SlotId slotId);
    error WrongSecret(SlotId slotId);
    error NothingCommitted(Epoch epoch);
    error BlockAlreadyFixed(uint64 blockNumber);
    error BlockNotKnown(uint64 blockNumber);

    /// @notice Commits sha256(epoch ‖ slot ‖ secret) for an epoch whose round is missing. The caller is the slot's operator.
    function commitSecret(Epoch epoch, SlotId slotId, bytes32 commitment) external;

    /// @notice Fixes the block once committing is over; again when nobody kept its hash in time. Anyone may.
    function fixBlock(Epoch epoch) external;

    /// @notice Keeps the hash of the fixed block, which the chain itself forgets. Anyone may.
    function keepBlockHash(Epoch epoch) external;

    function revealSecret(Epoch epoch, SlotId slotId, bytes32 secret) external;

    /// @notice Stores the seed when revealing is over; without a single secret another attempt begins. Anyone may.
    function closeFallback(Epoch epoch) external;

    /* VIEWS */

    function fallbackParameters() external view returns (FallbackParameters memory);
    function attemptOf(Epoch epoch) external view returns (Attempt memory);
    /// @notice The seed that decides `epoch`: the beacon's, else the fallback's, else zero.
    function seedFor(Epoch epoch) external view returns (bytes32 seed, bool isFallback);
}

/// @title Public randomness: one verified drand round per epoch, shared by everything decided in that epoch.
/// @notice Epoch e is decided by drand round `e · roundsPerEpoch + 1`. Anyone may bring its signature; the contract
/// verifies it (BLS on BN254, message keccak256(uint64be(round))) and stores `seed = sha256(signature)`, drand's own
/// randomness. A seed is written once and never before its round's time.
interface IBeacon is ISeedFallback {
    event SeedStored(Epoch indexed epoch, uint64 indexed round, bytes32 seed);

    error TooEarly(uint64 roundTime, uint64 time);
    error SeedAlreadyKnown(Epoch epoch);
    error InvalidSignature();
    error InvalidPublicKey();

    /// @notice Verifies the round of `epoch` and stores its seed.
    /// @param signature The G1 point (x, y) of drand's `signature` field, two big-endian words.
    function submit(Epoch epoch, uint256[2] calldata signature) external;

    /* VIEWS */

    /// @notice The first epoch whose round lies at or after `time`.
    function epochAt(uint64 time) external view returns (Epoch);
    /// @notice The drand round that decides `epoch`.
    function roundOf(Epoch epoch) external view returns (uint64);
    /// @notice When that round is published.
    function timeOf(Epoch epoch) external view returns (uint64);
    /// @notice The seed of `epoch`, or zero while it is unknown.
    function seedOf(Epoch epoch) external view returns (bytes32);
    /// @notice The curve point that the signature of `round` must multiply: what a devnet signer signs.
    function messagePoint(uint64 round) external view returns (uint256[2] memory);
    function publicKey() external view returns (uint256[4] memory);
    function genesis() external view returns (uint64);
    function period() external view returns (uint64);
    function roundsPerEpoch() external view returns (uint64);
}
