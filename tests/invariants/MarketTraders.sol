// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IBallots} from "../../contracts/interfaces/IBallots.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {Comparison, Job, JobStatus, Terms} from "../../contracts/interfaces/Job.sol";
import {Commitment} from "../../contracts/libraries/Commitment.sol";
import {MarketWork} from "./MarketWork.sol";
import {vm} from "./Vm.sol";

/// @title What buyers and sellers do.
abstract contract MarketTraders is MarketWork {
    uint256 internal constant MOST_LIVE = 12; // more would only wait

    function _post(uint256 random) internal {
        if (_live.length >= MOST_LIVE) return;
        address who = buyer(random);
        Terms memory terms = _termsFrom(_hash(random, 1));
        bool expected = !token.isRefused(who);
        bool success = random % 5 == 0
            ? _do(Deed.PostMany, 0, who, address(escrow), abi.encodeCall(escrow.postMany, (terms, _cids(random))))
            : _do(Deed.Post, 0, who, address(escrow), abi.encodeCall(escrow.post, (terms)));
        vm.assertEq(success, expected, "22: who can pay can post");
    }

    function _cids(uint256 random) private pure returns (bytes32[] memory cids) {
        cids = new bytes32[](1 + random % 3);
        for (uint256 i; i < cids.length; ++i) cids[i] = keccak256(abi.encode(random, i));
    }

    function _termsFrom(uint256 random) private pure returns (Terms memory terms) {
        terms.specCid = bytes32(random | 1);
        terms.segments = uint16(1 + (random >> 8) % 8);
        terms.startPrice = uint96(TOKEN / 10 + (random >> 16) % (20 * terms.segments * TOKEN));
        terms.maxPrice = terms.startPrice + uint96((random >> 24) % 3 == 0 ? terms.startPrice / 3 : 0);
        terms.riseSeconds = uint24((random >> 32) % 2 hours);
        terms.segmentSeconds = uint24(1 + (random >> 48) % MAX_SEGMENT_SECONDS);
        terms.runSeconds = uint24(1 hours + (random >> 64) % 10 hours);
        terms.openSeconds = uint24(1 hours + (random >> 80) % 1 days);
        terms.hardwareClass = (random >> 96) % 32 == 0 ? POOR_CLASS : CLASS;
        terms.comparison = [Comparison.Exact, Comparison.Exact, Comparison.Tolerance, Comparison.Delivery][
            (random >> 104) % 4
        ];
        terms.parts = uint8(1 + (random >> 112) % 3);
        if ((random >> 120) % 16 == 0) terms.minReputation = 1;
        if ((random >> 128) % 8 == 0) terms.seller = seller(random >> 136);
    }

    function _accept(uint256 id, uint256 random) internal {
        Entry memory entry = _entries[id];
        address who = entry.terms.seller == address(0) ? seller(random) : entry.terms.seller;
        uint96 price = escrow.priceAt(entry.terms, entry.job.openUntil, _now());
        uint256 least = escrow.minCollateralFor(price, entry.job.segments);
        uint256 collateral = [least, 2 * least, 4 * uint256(price) + least, 24 * uint256(price), least - 1][random % 5];
        bool canJudge =
            bench.canJudge(entry.terms.hardwareClass, entry.job.buyer, who, escrow.feeFor(price, entry.job.segments));
        bool expected = entry.job.status == JobStatus.Open && _now() <= entry.job.deadline && collateral >= least
            && collateral <= vault.freeStakeOf(who) && canJudge && reputation.scoreOf(who) >= entry.terms.minReputation;
        address caller = random % 3 == 0 && vault.operatorOf(who) != address(0) ? vault.operatorOf(who) : who;
        bytes memory call_ = abi.encodeCall(escrow.accept, (_id(id), entry.job, entry.terms, who, uint96(collateral)));
        vm.assertEq(_do(Deed.Accept, id, caller, address(escrow), call_), expected, "12: who brings enough may accept");
    }

    function _cancel(uint256 id) internal {
        Job memory job = _entries[id].job;
        bytes memory call_ = abi.encodeCall(escrow.cancel, (_id(id), job));
        bool success = _do(Deed.Cancel, id, job.buyer, address(escrow), call_);
        vm.assertEq(success, job.status == JobStatus.Open, "17: an open job can be cancelled, no other");
    }

    function _abort(uint256 id) internal {
        Job memory job = _entries[id].job;
        bool expected = job.status == JobStatus.Running && _now() <= job.deadline;
        bytes memory call_ = abi.encodeCall(escrow.abort, (_id(id), job));
        address who = job.seller == address(0) ? seller(0) : job.seller;
        vm.assertEq(_do(Deed.Abort, id, who, address(escrow), call_), expected, "17: a running job can be aborted");
    }

    /// @dev Every other seller works honestly; a canary is false by order of its buyer.
    function _submit(uint256 id, uint256 random) internal {
        Job memory job = _entries[id].job;
        _chooseWork(id, random);
        (bytes32 root,) = _tree(id, job.segments, 0);
        bytes memory call_ = abi.encodeCall(escrow.submit, (_id(id), job, keccak256(abi.encode("result", id)), root));
        bool expected = job.status == JobStatus.Running && _now() <= job.deadline;
        address who = job.seller == address(0) ? seller(0) : job.seller;
        vm.assertEq(_do(Deed.Submit, id, who, address(escrow), call_), expected, "17: a running job can be submitted");
    }

    function _chooseWork(uint256 id, uint256 random) private {
        Entry storage entry = _entries[id];
        if (entry.job.status != JobStatus.Running) return;
        entry.cheats = random % 2 == 0 ? 0 : uint8(random >> 8);
        entry.isCanary = entry.terms.comparison == Comparison.Tolerance && (random >> 16) % 2 == 0;
    }

    function _handBack(uint256 id, uint256 random) internal {
        Entry memory entry = _entries[id];
        if (entry.job.status != JobStatus.Running || entry.job.segments < 2) return;
        _chooseWork(id, random);
        uint16 done = uint16(1 + random % (entry.job.segments - 1));
        IBallots.Opening memory last = _sellers(id, done - 1);
        (bytes32 root, bytes32[] memory proof) = _tree(id, done, done - 1);
        bytes memory call_ = abi.encodeCall(
            escrow.handBack,
            (
                _id(id),
                entry.job,
                entry.terms,
                IJobEscrow.Submission(keccak256(abi.encode("part", id)), root, done),
                IJobEscrow.LastOutput(Commitment.digest(last.traceRoot, last.outputHash), last.outputCid, proof)
            )
        );
        bool expected = entry.terms.parts > 1 && _now() <= entry.job.deadline;
        bool success = _do(Deed.HandBack, id, entry.job.seller, address(escrow), call_);
        vm.assertEq(success, expected, "17: a running job can be handed back");
    }

    function _refund(uint256 id, address who) internal {
        Job memory job = _entries[id].job;
        bool expected = (job.status == JobStatus.Open || job.status == JobStatus.Running) && _now() > job.deadline;
        bytes memory call_ = abi.encodeCall(escrow.refund, (_id(id), job));
        vm.assertEq(_do(Deed.Refund, id, who, address(escrow), call_), expected, "17: a timeout, and not before it");
    }

    /// @dev Anyone when it is time, or the buyer as soon as the draw is known.
    function _settle(uint256 id, address who) internal {
        Job memory job = _entries[id].job;
        (bool drawn, bool known) = _drawOf(id);
        bool isClear = job.status == JobStatus.Submitted && (job.audited || (known && !drawn));
        bool isEarly = _now() <= job.deadline;
        bytes memory call_ = abi.encodeCall(escrow.settle, (_id(id), job));
        bool success = _do(isEarly ? Deed.SettleEarly : Deed.Settle, id, who, address(escrow), call_);
        vm.assertEq(success, isClear && (!isEarly || who == job.buyer), "11: what is clear is settled, nothing else");
    }
}
