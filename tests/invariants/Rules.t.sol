// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Epoch} from "../../contracts/interfaces/IBeacon.sol";
import {Comparison, Job, JobStatus, Terms} from "../../contracts/interfaces/Job.sol";
import {JobId} from "../../contracts/interfaces/Types.sol";
import {Commitment} from "../../contracts/libraries/Commitment.sol";
import {Draw} from "../../contracts/libraries/Draw.sol";
import {Epochs} from "../../contracts/libraries/Epochs.sol";
import {Fees} from "../../contracts/libraries/Fees.sol";
import {StateHash} from "../../contracts/libraries/StateHash.sol";
import {MATCH, MISMATCH, UNAVAILABLE, UNDELIVERED, Verdict} from "../../contracts/libraries/Verdict.sol";
import {Windows} from "../../contracts/libraries/Windows.sol";
import {vm} from "./Vm.sol";

/// @title What the pure rules promise, for any numbers in range.
contract Rules {
    /* FEES */

    function testFuzz_cheatingNeverPays(uint96 price, uint96 collateral) external pure {
        vm.assume(price > 0);
        uint256 rate = Fees.auditBps(price, collateral);
        uint256 atStake = uint256(price) + collateral;
        vm.assertTrue(rate >= 500 && rate <= 10_000, "12: p lies between 5 % and 100 %");
        // A fifth of the judges may be corrupt; the work costs the seller 0.8 R at most, and a quarter is added.
        uint256 expected = rate * 8_000 * atStake;
        vm.assertTrue(expected >= 10_000 * 8_000 * uint256(price), "12: p(1 - f)(R + L) >= C");
        vm.assertTrue(rate == 10_000 || expected >= 10_000 * 10_000 * uint256(price), "12: by a quarter of margin");
        vm.assertTrue(rate == 500 || rate * atStake <= 12_500 * uint256(price) + atStake, "12: p is as small as it may be");
    }

    function testFuzz_aJobPaysForItsAudit(uint96 price, uint16 segments, uint96 feeMin, uint256 rate) external pure {
        vm.assume(segments > 0);
        rate %= 10_001;
        uint256 fee = Fees.fee(price, segments, feeMin);
        vm.assertTrue(fee >= feeMin, "F is at least F_min");
        vm.assertTrue(fee * segments * 10 >= uint256(price) * 12, "F is a segment's price and a fifth more");
        vm.assertTrue(Fees.maxLevy(fee) >= fee, "M holds one whole fee");
        vm.assertTrue(Fees.levy(fee, rate) <= Fees.maxLevy(fee), "no levy exceeds M");
        vm.assertTrue(Fees.levy(fee, rate) * 8_000 >= fee * rate, "the levy covers the expected fee");
        vm.assertTrue(Fees.levy(fee, rate) * 8_000 <= fee * rate + 8_000, "the levy follows the rate");
    }

    function testFuzz_collateralPaysTheCommittee(uint96 price, uint96 fee) external pure {
        uint256 least = Fees.minCollateral(price, fee);
        vm.assertTrue(least * 4 >= price && least >= 4 * uint256(fee), "L >= max(25 % R, 4 F)");
        vm.assertTrue(least <= uint256(price) / 4 + 1 || least == 4 * uint256(fee), "and no more");
    }

    /* COMMITMENTS */

    function testFuzz_aLeafIsBoundToAllOfIt(bytes32 a, bytes32 b, uint64 jobId, uint16 index, uint8 field) external pure {
        bytes32 leaf = Commitment.leaf(JobId.wrap(jobId), index, a, b);
        bytes32 other;
        if (field % 4 == 0) other = Commitment.leaf(JobId.wrap(jobId ^ 1), index, a, b);
        else if (field % 4 == 1) other = Commitment.leaf(JobId.wrap(jobId), uint256(index) + 1, a, b);
        else if (field % 4 == 2) other = Commitment.leaf(JobId.wrap(jobId), index, ~a, b);
        else other = Commitment.leaf(JobId.wrap(jobId), index, a, ~b);
        vm.assertTrue(leaf != other, "21: a leaf opens one way only");
    }

    function testFuzz_aNodeIsNoLeaf(bytes32[4] calldata words, uint64 jobId) external view {
        bytes32 left = Commitment.leaf(JobId.wrap(jobId), 0, words[0], words[1]);
        bytes32 right = Commitment.leaf(JobId.wrap(jobId), 1, words[2], words[3]);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = right;
        bytes32 root = this.rootOf(left, 0, proof);
        vm.assertEq(root, sha256(abi.encodePacked(bytes1(0x01), left, right)), "21: a node has a tag of its own");
        proof[0] = left;
        vm.assertEq(this.rootOf(right, 1, proof), root, "21: both sides lead to one root");
        vm.assertTrue(this.rootOf(right, 0, proof) != root || left == right, "21: the index chooses the side");
    }

    function testFuzz_depthIsTheLeast(uint16 count) external pure {
        uint256 depth = Commitment.depth(count);
        vm.assertTrue(2 ** depth >= count, "every leaf has a place");
        vm.assertTrue(depth == 0 || 2 ** (depth - 1) < count, "and no level is spare");
    }

    function testFuzz_aSealIsItsJudges(bytes32[3] calldata words, uint64 jobId, uint8 round, address judge, uint8 field)
        external
        pure
    {
        bytes32 seal = Commitment.seal(JobId.wrap(jobId), round, judge, words[0], words[1], words[2]);
        bytes32 other;
        if (field % 5 == 0) other = Commitment.seal(JobId.wrap(jobId ^ 1), round, judge, words[0], words[1], words[2]);
        else if (field % 5 == 1) {
            other = Commitment.seal(JobId.wrap(jobId), uint256(round) + 1, judge, words[0], words[1], words[2]);
        } else if (field % 5 == 2) {
            address somebody = address(uint160(judge) ^ 1);
            other = Commitment.seal(JobId.wrap(jobId), round, somebody, words[0], words[1], words[2]);
        } else if (field % 5 == 3) {
            other = Commitment.seal(JobId.wrap(jobId), round, judge, ~words[0], words[1], words[2]);
        } else {
            other = Commitment.seal(JobId.wrap(jobId), round, judge, words[0], words[1], ~words[2]);
        }
        vm.assertTrue(seal != other, "19: a seal is bound to judge, job and round");
    }

    function rootOf(bytes32 leaf, uint256 index, bytes32[] calldata proof) external pure returns (bytes32) {
        return Commitment.root(leaf, index, proof);
    }

    /* DRAWS */

    function testFuzz_aDrawFollowsSeedJobAndRoot(bytes32 seed, uint64 jobId, bytes32 root, uint16 count) external pure {
        JobId job = JobId.wrap(jobId);
        vm.assume(count > 0);
        vm.assertTrue(!Draw.isDrawn(seed, job, root, 0), "a rate of nothing draws nothing");
        vm.assertTrue(Draw.isDrawn(seed, job, root, 10_000), "a rate of all draws all");
        vm.assertTrue(Draw.segment(seed, job, root, count) < count, "a segment of the job");
        vm.assertTrue(Draw.position(seed, job, 1, 0, count) < count, "a position on the bench");
        bytes32 word = bytes32(Draw.segment(seed, job, root, 1 << 255));
        vm.assertTrue(word != bytes32(Draw.segment(~seed, job, root, 1 << 255)), "the seed decides");
        vm.assertTrue(word != bytes32(Draw.segment(seed, job, ~root, 1 << 255)), "the root decides");
        uint256 first = Draw.position(seed, job, 1, 0, 1 << 255);
        vm.assertTrue(first != Draw.position(seed, job, 1, 1, 1 << 255), "every probe looks elsewhere");
        vm.assertTrue(first != Draw.position(seed, job, 2, 0, 1 << 255), "every round looks elsewhere");
    }

    function testFuzz_aRateIsAFrequency(uint256 start, uint16 rate) external pure {
        rate = uint16(500 + uint256(rate) % 9_501);
        (uint256 drawn, uint256 firstSegment, uint256 moved) = (0, 0, 0);
        for (uint256 i; i < 400; ++i) {
            bytes32 seed = keccak256(abi.encode(start, i));
            JobId job = JobId.wrap(uint64(i));
            bool isDrawn = Draw.isDrawn(seed, job, seed, rate);
            if (isDrawn) ++drawn;
            if (isDrawn && Draw.segment(seed, job, seed, 10_000) < rate) ++firstSegment;
            if (isDrawn != Draw.isDrawn(seed, job, ~seed, rate)) ++moved;
        }
        uint256 expected = (400 * uint256(rate)) / 10_000;
        // Six standard deviations of 400 draws are at most 60.
        vm.assertTrue(drawn + 60 > expected && drawn < expected + 60, "10: p is how often a job is drawn");
        uint256 both = (drawn * uint256(rate)) / 10_000;
        vm.assertTrue(firstSegment < both + 60, "which segment is another question than whether");
        if (rate > 2_000 && rate < 8_000) vm.assertTrue(moved > 20, "10: whether it is drawn depends on the root");
    }

    /* TIME */

    function testFuzz_theFirstRoundNotBefore(uint40 time, uint40 genesis, uint16 span) external pure {
        vm.assume(span > 0);
        genesis %= 1 << 31;
        time %= 1 << 31;
        uint256 epoch = Epoch.unwrap(Epochs.firstFrom(time, genesis, span));
        uint256 at = Epochs.timeOf(Epoch.wrap(uint32(epoch)), genesis, span);
        vm.assertTrue(at >= time, "9: the round lies after the commitment");
        vm.assertTrue(epoch == 0 || at - span < time, "9: it is the first");
    }

    function testFuzz_judgesAreGivenTime(uint32 least, uint24 segmentSeconds) external pure {
        uint256 window = Windows.forWork(least, segmentSeconds);
        vm.assertTrue(window >= least && window >= 3 * uint256(segmentSeconds), "three segments at least");
        vm.assertTrue(window == least || window == 3 * uint256(segmentSeconds), "and no more");
    }

    /* VERDICTS */

    function testFuzz_onlyWorkSpeaksInTheExactClass(bytes32 word, uint16 segment) external pure {
        if (uint256(word) % 2 == 0) word = bytes32((uint256(word) >> 1) % 5); // any word, and often one that means something
        vm.assume(segment != UNDELIVERED && word != UNAVAILABLE);
        vm.assertTrue(!Verdict.canSay(word, Comparison.Exact, segment), "19: nobody confirms without the preimage");
        vm.assertTrue(!Verdict.canSay(word, Comparison.Delivery, segment) || word == MATCH, "nothing is compared there");
        vm.assertTrue(!Verdict.canDeny(word, Comparison.Delivery), "slashed only for not delivering");
        vm.assertTrue(!Verdict.canDeny(MATCH, Comparison.Tolerance), "a denial denies");
        vm.assertTrue(!Verdict.canDeny(MATCH, Comparison.Exact) && !Verdict.canDeny(0, Comparison.Exact), "a denial denies");
    }

    function test_whatJudgesMaySay() external pure {
        for (uint256 i; i < 3; ++i) {
            Comparison comparison = Comparison(i);
            vm.assertTrue(Verdict.canSay(UNAVAILABLE, comparison, 0), "anybody may have failed to fetch");
            vm.assertTrue(Verdict.canSay(MATCH, comparison, UNDELIVERED), "or may have fetched");
            vm.assertTrue(!Verdict.canSay(MISMATCH, comparison, UNDELIVERED), "nothing else is asked there");
            vm.assertTrue(Verdict.canDeny(UNAVAILABLE, comparison), "a judge may have failed to fetch");
        }
        vm.assertTrue(Verdict.canSay(MATCH, Comparison.Tolerance, 0), "a word of the tolerance class");
        vm.assertTrue(Verdict.canSay(MISMATCH, Comparison.Tolerance, 0), "a word of the tolerance class");
        vm.assertTrue(!Verdict.canSay(0, Comparison.Tolerance, 0), "silence is no verdict");
        vm.assertTrue(Verdict.canDeny(MISMATCH, Comparison.Tolerance), "a denial of the tolerance class");
    }

    /* STATE */

    function testFuzz_theHashOfAJob(uint256 random) external pure {
        Job memory job = _job(random);
        vm.assertEq(StateHash.ofJob(job), keccak256(abi.encode(job)), "the hash of a job's state is its encoding's");
    }

    function testFuzz_theHashOfTerms(uint256 random) external view {
        Terms memory terms = _terms(random);
        bytes32 hash = keccak256(abi.encode(terms));
        vm.assertEq(StateHash.ofTerms(terms), hash, "the hash of terms is their encoding's");
        vm.assertEq(this.hashOfCalled(random, terms, random), hash, "wherever they lie");
    }

    function hashOfCalled(uint256, Terms calldata terms, uint256) external pure returns (bytes32) {
        return StateHash.ofCalled(terms);
    }

    function _job(uint256 random) private pure returns (Job memory job) {
        (job.termsHash, job.buyer) = (_word(random, 0), address(uint160(uint256(_word(random, 1)))));
        (job.status, job.audited) = (JobStatus(_number(random, 2) % 10), _number(random, 3) % 2 == 1);
        (job.segments, job.openUntil) = (uint16(_number(random, 4)), uint40(_number(random, 5)));
        (job.deadline, job.held) = (uint40(_number(random, 6)), uint96(_number(random, 7)));
        (job.seller, job.price) = (address(uint160(_number(random, 8))), uint96(_number(random, 9)));
        (job.collateral, job.auditBps) = (uint96(_number(random, 10)), uint16(_number(random, 11)));
        job.epoch = Epoch.wrap(uint32(_number(random, 12)));
        (job.resultCid, job.segmentRoot) = (_word(random, 13), _word(random, 14));
    }

    function _terms(uint256 random) private pure returns (Terms memory terms) {
        (terms.specCid, terms.input) = (_word(random, 0), _word(random, 1));
        (terms.startPrice, terms.maxPrice) = (uint96(_number(random, 2)), uint96(_number(random, 3)));
        (terms.riseSeconds, terms.firstSegment) = (uint24(_number(random, 4)), uint16(_number(random, 5)));
        (terms.segments, terms.segmentSeconds) = (uint16(_number(random, 6)), uint24(_number(random, 7)));
        (terms.runSeconds, terms.openSeconds) = (uint24(_number(random, 8)), uint24(_number(random, 9)));
        (terms.hardwareClass, terms.comparison) = (uint16(_number(random, 10)), Comparison(_number(random, 11) % 3));
        (terms.parts, terms.minReputation) = (uint8(_number(random, 12)), uint16(_number(random, 13)));
        terms.seller = address(uint160(_number(random, 14)));
    }

    function _number(uint256 random, uint256 field) private pure returns (uint256) {
        return uint256(_word(random, field));
    }

    function _word(uint256 random, uint256 field) private pure returns (bytes32) {
        return keccak256(abi.encode(random, field));
    }
}
