// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

type Epoch is uint32;

/// @title Public randomness: one verified drand round per epoch, shared by everything decided in that epoch.
/// @notice Epoch e is decided by drand round `e · roundsPerEpoch + 1`. Anyone may bring its signature; the contract
/// verifies it (BLS on BN254, message keccak256(uint64be(round))) and stores `seed = sha256(signature)`, drand's own
/// randomness. A seed is written once and never before its round's time.
interface IBeacon {
    event SeedStored(Epoch indexed epoch, uint64 indexed round, bytes32 seed);

    error TooEarly(uint64 roundTime, uint64 time);
    error SeedAlreadyKnown(Epoch epoch);
    error InvalidSignature();
    error InvalidPublicKey();
    error SeedUnknown(Epoch epoch);

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
