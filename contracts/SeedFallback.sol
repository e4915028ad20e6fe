// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Epoch, ISeedFallback} from "./interfaces/IBeacon.sol";
import {IJudgeBench} from "./interfaces/IJudgeBench.sol";
import {FallbackParameters} from "./interfaces/Parameters.sol";
import {SlotId} from "./interfaces/Types.sol";

/// @title What decides when the public randomness stops: judges' secrets and a block nobody had seen.
abstract contract SeedFallback is ISeedFallback {
    uint64 private constant BLOCKS_AHEAD = 2;
    uint64 private constant BLOCKS_KEPT = 256; // whose hashes the chain still knows

    IJudgeBench public immutable bench;
    uint40 private immutable _patience;
    uint40 private immutable _commitSeconds;
    uint40 private immutable _revealSeconds;

    mapping(Epoch epoch => bytes32 seed) internal _fallbackSeeds;
    mapping(Epoch epoch => Attempt) private _attempts;
    mapping(Epoch epoch => mapping(uint16 number => mapping(SlotId slotId => bytes32))) private _commitments;

    constructor(IJudgeBench bench_, FallbackParameters memory parameters_) {
        bench = bench_;
        _patience = parameters_.patience;
        _commitSeconds = parameters_.commitSeconds;
        _revealSeconds = parameters_.revealSeconds;
    }

    /// @inheritdoc ISeedFallback
    function commitSecret(Epoch epoch, SlotId slotId, bytes32 commitment) external {
        Attempt storage attempt = _attempts[epoch];
        uint40 from = uint40(_missingSince(epoch)) + _patience;

        _requireUnknown(epoch);
        require(_now() >= from, TooSoon(from, _now()));
        if (attempt.openedAt == 0) attempt.openedAt = _now();
        uint40 until = attempt.openedAt + _commitSeconds;
        require(_now() <= until, TooLateNow(until, _now()));
        bool speaks = bench.isActive(slotId) && bench.operatorOf(slotId) == msg.sender;
        require(speaks && commitment != 0, OnlyActiveJudge(slotId));
        require(_commitments[epoch][attempt.number][slotId] == 0, AlreadyCommitted(slotId));

        _commitments[epoch][attempt.number][slotId] = commitment;
        ++attempt.commitments;

        emit FallbackCommitted(epoch, slotId, attempt.number, commitment);
    }

    /// @inheritdoc ISeedFallback
    function fixBlock(Epoch epoch) external {
        Attempt storage attempt = _attempts[epoch];

        _requireCommitted(epoch, attempt);
        bool isForgotten = attempt.blockHash == 0 && block.number > attempt.blockNumber + BLOCKS_KEPT;
        require(attempt.blockNumber == 0 || isForgotten, BlockAlreadyFixed(attempt.blockNumber));

        attempt.blockNumber = uint64(block.number) + BLOCKS_AHEAD;

        emit FallbackBlockFixed(epoch, attempt.blockNumber);
    }

    /// @inheritdoc ISeedFallback
    function keepBlockHash(Epoch epoch) external {
        Attempt storage attempt = _attempts[epoch];
        bytes32 hash = blockhash(attempt.blockNumber);

        require(attempt.blockNumber > 0 && hash != 0, BlockNotKnown(attempt.blockNumber));
        require(attempt.blockHash == 0, BlockAlreadyFixed(attempt.blockNumber));

        attempt.blockHash = hash;
    }

    /// @inheritdoc ISeedFallback
    function revealSecret(Epoch epoch, SlotId slotId, bytes32 secret) external {
        Attempt storage attempt = _attempts[epoch];
        uint40 until = attempt.openedAt + _commitSeconds + _revealSeconds;
        bytes32 commitment = sha256(abi.encodePacked(Epoch.unwrap(epoch), SlotId.unwrap(slotId), secret));

        _requireUnknown(epoch);
        _requireCommitted(epoch, attempt);
        require(_now() <= until, TooLateNow(until, _now()));
        // Whoever saw the secrets first could choose the block.
        require(attempt.blockHash != 0, BlockNotKnown(attempt.blockNumber));
        require(_commitments[epoch][attempt.number][slotId] == commitment, WrongSecret(slotId));

        delete _commitments[epoch][attempt.number][slotId];
        attempt.mix ^= secret;
        ++attempt.reveals;

        emit FallbackRevealed(epoch, slotId, secret);
    }

    /// @inheritdoc ISeedFallback
    function closeFallback(Epoch epoch) external {
        Attempt storage attempt = _attempts[epoch];
        uint40 from = attempt.openedAt + _commitSeconds + _revealSeconds + 1;

        _requireUnknown(epoch);
        _requireCommitted(epoch, attempt);
        require(_now() >= from, TooSoon(from, _now()));

        if (attempt.reveals == 0) {
            uint16 next = attempt.number + 1;
            delete _attempts[epoch];
            _attempts[epoch].number = next;
            return;
        }
        bytes32 seed = sha256(abi.encodePacked(attempt.mix, attempt.blockHash));
        _fallbackSeeds[epoch] = seed;

        emit FallbackSeedStored(epoch, seed);
    }

    /// @dev Somebody committed, and the time for it is over.
    function _requireCommitted(Epoch epoch, Attempt storage attempt) private view {
        uint40 from = attempt.openedAt + _commitSeconds + 1;
        require(attempt.commitments > 0, NothingCommitted(epoch));
        require(_now() >= from, TooSoon(from, _now()));
    }

    function _requireUnknown(Epoch epoch) private view {
        (bytes32 seed,) = seedFor(epoch);
        require(seed == 0, FallbackSeedKnown(epoch));
    }

    /* VIEWS */

    /// @inheritdoc ISeedFallback
    function fallbackParameters() external view returns (FallbackParameters memory) {
        return FallbackParameters(_patience, _commitSeconds, _revealSeconds);
    }

    /// @inheritdoc ISeedFallback
    function attemptOf(Epoch epoch) external view returns (Attempt memory) {
        return _attempts[epoch];
    }

    /// @inheritdoc ISeedFallback
    function seedFor(Epoch epoch) public view returns (bytes32 seed, bool isFallback) {
        seed = _beaconSeed(epoch);
        if (seed == 0) {
            seed = _fallbackSeeds[epoch];
            isFallback = seed != 0;
        }
    }

    function _beaconSeed(Epoch epoch) internal view virtual returns (bytes32);

    function _missingSince(Epoch epoch) internal view virtual returns (uint64);

    function _now() private view returns (uint40) {
        return uint40(block.timestamp);
    }
}
