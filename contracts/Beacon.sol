// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {BLS} from "@kevincharm/bls-bn254/contracts/BLS.sol";
import {Epoch, IBeacon} from "./interfaces/IBeacon.sol";

/// @title drand rounds, verified. See IBeacon for its promises.
contract Beacon is IBeacon {
    bytes internal constant DST = "BLS_SIG_BN254G1_XMD:KECCAK-256_SVDW_RO_NUL_";
    // The pairing precompile burns all gas it is given when a point is not in the group: give it what a pairing costs.
    uint256 internal constant VERIFY_GAS = 400_000;

    /// @inheritdoc IBeacon
    uint64 public immutable genesis;
    /// @inheritdoc IBeacon
    uint64 public immutable period;
    /// @inheritdoc IBeacon
    uint64 public immutable roundsPerEpoch;
    uint256 internal immutable _xIm;
    uint256 internal immutable _xRe;
    uint256 internal immutable _yIm;
    uint256 internal immutable _yRe;

    mapping(Epoch epoch => bytes32 seed) internal _seeds;

    /// @param key The G2 public key as x_im, x_re, y_im, y_re.
    constructor(uint256[4] memory key, uint64 genesis_, uint64 period_, uint64 roundsPerEpoch_) {
        require(BLS.isValidPublicKey(_forLibrary(key)), InvalidPublicKey());
        (_xIm, _xRe, _yIm, _yRe) = (key[0], key[1], key[2], key[3]);
        (genesis, period, roundsPerEpoch) = (genesis_, period_, roundsPerEpoch_);
    }

    /// @inheritdoc IBeacon
    function submit(Epoch epoch, uint256[2] calldata signature) external {
        uint64 time = timeOf(epoch);
        require(block.timestamp >= time, TooEarly(time, uint64(block.timestamp)));
        require(_seeds[epoch] == 0, SeedAlreadyKnown(epoch));
        uint64 round = roundOf(epoch);
        require(_isSigned(round, signature), InvalidSignature());

        bytes32 seed = sha256(abi.encodePacked(signature[0], signature[1]));
        _seeds[epoch] = seed;
        emit SeedStored(epoch, round, seed);
    }

    /// @notice Verifies a signature; separate so that its gas can be capped.
    function verify(uint64 round, uint256[2] calldata signature) external view returns (bool) {
        if (!BLS.isValidSignature(signature)) return false;
        (bool paired, bool called) = BLS.verifySingle(signature, _forLibrary(publicKey()), messagePoint(round));
        return paired && called;
    }

    /* VIEWS */

    /// @inheritdoc IBeacon
    function epochAt(uint64 time) external view returns (Epoch) {
        uint64 span = period * roundsPerEpoch;
        return Epoch.wrap(time <= genesis ? 0 : uint32((time - genesis + span - 1) / span));
    }

    /// @inheritdoc IBeacon
    function roundOf(Epoch epoch) public view returns (uint64) {
        return Epoch.unwrap(epoch) * roundsPerEpoch + 1;
    }

    /// @inheritdoc IBeacon
    function timeOf(Epoch epoch) public view returns (uint64) {
        return genesis + (roundOf(epoch) - 1) * period;
    }

    /// @inheritdoc IBeacon
    function seedOf(Epoch epoch) external view returns (bytes32) {
        return _seeds[epoch];
    }

    /// @inheritdoc IBeacon
    function messagePoint(uint64 round) public view returns (uint256[2] memory) {
        return BLS.hashToPoint(DST, abi.encodePacked(keccak256(abi.encodePacked(round))));
    }

    /// @inheritdoc IBeacon
    function publicKey() public view returns (uint256[4] memory) {
        return [_xIm, _xRe, _yIm, _yRe];
    }

    function _isSigned(uint64 round, uint256[2] calldata signature) internal view returns (bool) {
        try this.verify{gas: VERIFY_GAS}(round, signature) returns (bool valid) {
            return valid;
        } catch {
            return false;
        }
    }

    /// @dev The library takes each coordinate's real part first.
    function _forLibrary(uint256[4] memory key) internal pure returns (uint256[4] memory) {
        return [key[1], key[0], key[3], key[2]];
    }
}
