// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IBallots} from "../../contracts/interfaces/IBallots.sol";
import {Comparison} from "../../contracts/interfaces/Job.sol";
import {JobId} from "../../contracts/interfaces/Types.sol";
import {Commitment} from "../../contracts/libraries/Commitment.sol";
import {CANARY} from "../../contracts/libraries/Verdict.sol";
import {MarketChecks} from "./MarketChecks.sol";

/// @title What segments give when they are computed, and what sellers commit to instead.
abstract contract MarketWork is MarketChecks {
    enum Deed {
        Post,
        PostMany,
        Cancel,
        Accept,
        Abort,
        HandBack,
        Submit,
        Refund,
        OpenAudit,
        Confirm,
        Vouch,
        Deny,
        ReplaceJudge,
        Volunteer,
        Challenge,
        Join,
        DrawCommittee,
        Seal,
        Reveal,
        RevealWord,
        Tally,
        Appeal,
        Execute,
        Expose,
        Settle,
        SettleEarly,
        Claim,
        Burn,
        Collect,
        Deposit,
        Unbond,
        Withdraw,
        TakeSlot,
        LeaveSlot,
        ReleaseSlot,
        Seed,
        Confirmed,
        Acquitted,
        Slashed,
        Void,
        Unjudged,
        Canary,
        LastInstance,
        Credited,
        Reentered,
        RegistryMoved,
        Refused
    }

    function _deeds() internal pure override returns (string[] memory names) {
        bytes memory text = "post,post many,cancel,accept,abort,hand back,submit,refund,open audit,confirm,vouch,deny,"
            "replace judge,volunteer,challenge,join challenge,draw committee,seal,reveal,reveal word,tally,appeal,"
            "execute,expose canary,settle,settle early,claim,burn,collect,deposit,unbond,withdraw,take slot,leave slot,"
            "release slot,seed,confirmed,acquitted,slashed,void,unjudged,canary,last instance,credited,reentered,"
            "registry moved,refused,";
        names = new string[](uint256(Deed.Refused) + 1);
        uint256 from;
        uint256 n;
        for (uint256 i; i < text.length; ++i) {
            if (text[i] != ",") continue;
            bytes memory name = new bytes(i - from);
            for (uint256 j; j < name.length; ++j) name[j] = text[from + j];
            names[n++] = string(name);
            from = i + 1;
        }
    }

    /// @dev Like `_act`, counted.
    function _do(Deed deed, uint256 id, address who, address where, bytes memory data) internal returns (bool success) {
        uint256 credits = creditSum;
        success = _act(id, who, where, data);
        ++_counts[uint256(success ? deed : Deed.Refused)];
        if (creditSum > credits) ++_counts[uint256(Deed.Credited)];
        if (success && uint256(_ruling) > 0) ++_counts[uint256(Deed.Confirmed) + _rulingIndex()];
    }

    /// @dev Ruling is Confirmed, Acquitted, Slashed, Void, Unjudged, Canary from 1 on, as the deeds are.
    function _rulingIndex() private view returns (uint256) {
        return uint256(_ruling) - 1;
    }

    /* SEGMENTS */

    function _opening(uint256 id, uint256 i, bool isTrue, bool isCanary)
        internal
        pure
        returns (IBallots.Opening memory opening)
    {
        opening.traceRoot = keccak256(abi.encode("trace", id, i, isTrue));
        opening.outputHash = isCanary ? CANARY : keccak256(abi.encode("hash", id, i, isTrue));
        opening.outputCid = keccak256(abi.encode("cid", id, i, isTrue));
    }

    /// @dev What the seller committed to for segment `i`.
    function _sellers(uint256 id, uint256 i) internal view returns (IBallots.Opening memory) {
        bool isTrue = _entries[id].cheats & (1 << (i % 8)) == 0;
        return _opening(id, i, isTrue, _entries[id].isCanary);
    }

    function _leafOf(uint256 id, uint256 i, IBallots.Opening memory opening) internal pure returns (bytes32) {
        bytes32 digest = Commitment.digest(opening.traceRoot, opening.outputHash);
        return Commitment.leaf(JobId.wrap(uint64(id)), i, digest, opening.outputCid);
    }

    /// @return root The seller's commitment to `count` segments.
    /// @return proof That the leaf of segment `index` is in it.
    function _tree(uint256 id, uint256 count, uint256 index)
        internal
        view
        returns (bytes32 root, bytes32[] memory proof)
    {
        uint256 depth = Commitment.depth(count);
        bytes32[] memory nodes = new bytes32[](1 << depth);
        for (uint256 i; i < count; ++i) nodes[i] = _leafOf(id, i, _sellers(id, i));
        proof = new bytes32[](depth);
        for (uint256 height; height < depth; ++height) {
            proof[height] = nodes[index ^ 1];
            index >>= 1;
            for (uint256 i; i < 1 << (depth - height - 1); ++i) {
                nodes[i] = sha256(abi.encodePacked(bytes1(0x01), nodes[2 * i], nodes[2 * i + 1]));
            }
        }
        root = nodes[0];
    }

    function _proofOf(uint256 id, uint256 index) internal view returns (bytes32[] memory proof) {
        (, proof) = _tree(id, _entries[id].job.segments, index);
    }

    function _isExact(uint256 id) internal view returns (bool) {
        return _entries[id].terms.comparison == Comparison.Exact;
    }

    function _id(uint256 id) internal pure returns (JobId) {
        return JobId.wrap(uint64(id));
    }

    function _hash(uint256 random, uint256 salt) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(random, salt)));
    }
}
