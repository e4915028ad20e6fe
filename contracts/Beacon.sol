// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {BLS} from "@kevincharm/bls-bn254/contracts/BLS.sol";
import {SeedFallback} from "./SeedFallback.sol";
import {Epoch, IBeacon} from "./interfaces/IBeacon.sol";
import {IJudgeBench} from "./interfaces/IJudgeBench.sol";
import {FallbackParameters} from "./interfaces/Parameters.sol";
import {Epochs} from "./libraries/Epochs.sol";

/// @title Public randomness: one verified drand round per epoch.
/// @dev The curve is BLS.sol's; this contract only knows rounds, and pairs with the gas it chooses.
contract Beacon is IBeacon, SeedFallback {
    bytes private constant DOMAIN = "BLS_SIG_BN254G1_XMD:KECCAK-256_SVDW_RO_NUL_";
    address private constant PAIRING = address(8);
    /// A pairing of two costs 113,000 gas. A malformed point makes the precompile burn all it is given.
    uint256 private constant PAIRING_GAS = 150_000;

    // The negated generator of G2, in the order of the precompile.
    uint256 private constant NEG_X_IM = 11559732032986387107991004021392285783925812861821192530917403151452391805634;
    uint256 private constant NEG_X_RE = 10857046999023057135944570762232829481370756359578518086990519993285655852781;
    uint256 private constant NEG_Y_IM = 17805874995975841540914202342111839520379459829704422454583296818431106115052;
    uint256 private constant NEG_Y_RE = 13392588948715843804641432497768002650278120570034223513918757245338268106653;

    /// @inheritdoc IBeacon
    uint64 public immutable genesis;
    /// @inheritdoc IBeacon
    uint64 public immutable period;
    /// @inheritdoc IBeacon
    uint64 public immutable roundsPerEpoch;
    uint256 private immutable _xIm;
    uint256 private immutable _xRe;
    uint256 private immutable _yIm;
    uint256 private immutable _yRe;

    /// @inheritdoc IBeacon
    mapping(Epoch epoch => bytes32 seed) public seedOf;

    /// @param key A point of G2 as x_im, x_re, y_im, y_re.
    /// @param bench_ The address the bench will be created at.
    constructor(
        uint256[4] memory key,
        uint64 genesis_,
        uint64 period_,
        uint64 roundsPerEpoch_,
        IJudgeBench bench_,
        FallbackParameters memory fallback_
    ) SeedFallback(bench_, fallback_) {
        require(BLS.isValidPublicKey([key[1], key[0], key[3], key[2]]), InvalidPublicKey());
        require(_isInSubgroup(key), InvalidPublicKey());
        assert(period_ > 0 && roundsPerEpoch_ > 0);

        (_xIm, _xRe, _yIm, _yRe) = (key[0], key[1], key[2], key[3]);
        (genesis, period, roundsPerEpoch) = (genesis_, period_, roundsPerEpoch_);
    }

    /// @inheritdoc IBeacon
    function submit(Epoch epoch, uint256[2] calldata signature) external {
        uint64 round = roundOf(epoch);
        uint64 roundTime = timeOf(epoch);

        require(seedOf[epoch] == 0 && _fallbackSeeds[epoch] == 0, SeedAlreadyKnown(epoch));
        require(block.timestamp >= roundTime, TooEarly(roundTime, uint64(block.timestamp)));
        require(BLS.isValidSignature(signature), InvalidSignature());
        require(_isSigned(signature, messagePoint(round)), InvalidSignature());

        // drand's own randomness: the hash of the signature, which nobody could know before the round.
        bytes32 seed = sha256(abi.encodePacked(signature));
        seedOf[epoch] = seed;

        emit SeedStored(epoch, round, seed);
    }

    /// @dev e(signature, −G2) · e(message, key) = 1.
    function _isSigned(uint256[2] calldata signature, uint256[2] memory message) private view returns (bool) {
        bytes memory one = abi.encode(signature, NEG_X_IM, NEG_X_RE, NEG_Y_IM, NEG_Y_RE);
        return _pairsToOne(bytes.concat(one, abi.encode(message, _xIm, _xRe, _yIm, _yRe)));
    }

    /// @dev The precompile refuses a point outside the subgroup, even beside the point at infinity.
    function _isInSubgroup(uint256[4] memory key) private view returns (bool) {
        return _pairsToOne(abi.encode(uint256(0), uint256(0), key));
    }

    function _pairsToOne(bytes memory points) private view returns (bool) {
        (bool success, bytes memory result) = PAIRING.staticcall{gas: PAIRING_GAS}(points);
        return success && result.length == 32 && abi.decode(result, (uint256)) == 1;
    }

    function _beaconSeed(Epoch epoch) internal view override returns (bytes32) {
        return seedOf[epoch];
    }

    function _missingSince(Epoch epoch) internal view override returns (uint64) {
        return timeOf(epoch);
    }

    /* VIEWS */

    /// @inheritdoc IBeacon
    function epochAt(uint64 time) external view returns (Epoch) {
        return Epochs.firstFrom(time, genesis, roundsPerEpoch * period);
    }

    /// @inheritdoc IBeacon
    function roundOf(Epoch epoch) public view returns (uint64) {
        return Epoch.unwrap(epoch) * roundsPerEpoch + 1;
    }

    /// @inheritdoc IBeacon
    function timeOf(Epoch epoch) public view returns (uint64) {
        return Epochs.timeOf(epoch, genesis, roundsPerEpoch * period);
    }

    /// @inheritdoc IBeacon
    function messagePoint(uint64 round) public view returns (uint256[2] memory) {
        return BLS.hashToPoint(DOMAIN, abi.encodePacked(keccak256(abi.encodePacked(round))));
    }

    /// @inheritdoc IBeacon
    function publicKey() external view returns (uint256[4] memory) {
        return [_xIm, _xRe, _yIm, _yRe];
    }
}
