// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {MarketHandler} from "./MarketHandler.sol";
import {JobEscrow} from "../../contracts/JobEscrow.sol";
import {Comparison, Job, JobStatus, Terms} from "../../contracts/interfaces/Job.sol";
import {JobId} from "../../contracts/interfaces/Types.sol";
import {vm} from "./Vm.sol";

/// @title One fixed walk through the market, and the price of its calls after a long history.
contract MarketWalk {
    uint256 private constant STEPS = 700;
    uint256 private constant OLD_JOBS = 10_000;
    bytes32 private constant CID = "anything";

    MarketHandler private _market;

    /// @dev The first half of the walk: the whole would cost more than the gas forge gives a test.
    function setUp() external {
        _market = new MarketHandler();
        for (uint256 i; i < STEPS; ++i) _turn(_market, i, uint256(keccak256(abi.encode("walk", i))));
    }

    /// @dev Deterministic, so that no deed can silently become impossible.
    function test_aWalkMeetsEveryDeed() external {
        MarketHandler market = _market;
        for (uint256 i = STEPS; i < 2 * STEPS; ++i) _turn(market, i, uint256(keccak256(abi.encode("walk", i))));
        (string[] memory deeds, uint256[] memory counts) = market.counts();
        for (uint256 i; i < deeds.length; ++i) {
            vm.assertTrue(counts[i] > 0, string.concat("never happened: ", deeds[i]));
        }
    }

    function _turn(MarketHandler market, uint256 i, uint256 random) private {
        if (i % 8 == 0) market.sit(random);
        if (i % 8 == 1) market.stake(random);
        if (i % 8 == 4) market.challenge(random);
        if (i % 8 == 5) market.cashIn(random);
        if (i % 16 == 6) market.setMood(random);
        if (i % 4 == 3) market.expose(random);
        if (i % 4 == 1) market.deviate(random);
        if (i % 4 == 2) market.post(random);
        if (i % 2 == 0) market.stepAll(random);
        else market.step(random);
        if (i % 4 == 3) market.travel(random);
    }

    function test_23_noCallGrowsWithHistory() external {
        (MarketHandler young, MarketHandler old) = (new MarketHandler(), new MarketHandler());
        bytes32[] memory cids = new bytes32[](100);
        for (uint256 i; i < cids.length; ++i) cids[i] = CID;
        (JobEscrow escrow, address buyer) = (old.escrow(), old.buyer(0));
        for (uint256 i; i < OLD_JOBS / cids.length; ++i) {
            vm.prank(buyer);
            escrow.postMany(_terms(), cids);
        }
        vm.assertEq(uint256(old.escrow().jobCount()), OLD_JOBS, "there is a history");
        uint256[4] memory before = _gasOf(young);
        uint256[4] memory then = _gasOf(old);
        for (uint256 i; i < 4; ++i) vm.assertLe(then[i], before[i] + before[i] / 50, "23: no call grows with history");
    }

    function _terms() private pure returns (Terms memory terms) {
        (terms.specCid, terms.startPrice, terms.maxPrice) = (CID, 1e18, 1e18);
        (terms.segments, terms.segmentSeconds, terms.runSeconds, terms.openSeconds) = (4, 60, 1 hours, 1 days);
        (terms.hardwareClass, terms.comparison, terms.parts) = (7, Comparison.Exact, 1);
    }

    /// @dev What posting, accepting, submitting and the refund of a late job cost.
    function _gasOf(MarketHandler market) private returns (uint256[4] memory gas) {
        (JobEscrow escrow, address seller) = (market.escrow(), market.seller(0));
        uint256 start = block.timestamp;
        Terms memory terms = _terms();
        vm.prank(market.buyer(1));
        gas[0] = gasleft();
        JobId id = escrow.post(terms);
        gas[0] -= gasleft();
        Job memory job;
        (job.termsHash, job.buyer, job.status) = (keccak256(abi.encode(terms)), market.buyer(1), JobStatus.Open);
        (job.segments, job.openUntil, job.deadline) = (4, uint40(start + 1 days), uint40(start + 1 days));
        job.held = uint96(escrow.escrowFor(1e18, 4, 1));

        vm.prank(seller);
        gas[1] = gasleft();
        escrow.accept(id, job, terms, seller, 4e18);
        gas[1] -= gasleft();
        (job.seller, job.status, job.price, job.collateral) = (seller, JobStatus.Running, 1e18, 4e18);
        (job.auditBps, job.deadline) = (escrow.auditBpsFor(1e18, 4e18), uint40(start + 1 hours));

        vm.warp(start + 1 hours + 1);
        gas[2] = gasleft();
        escrow.refund(id, job);
        gas[2] -= gasleft();
        vm.warp(start);
        vm.prank(market.buyer(1));
        gas[3] = gasleft();
        escrow.post(terms);
        gas[3] -= gasleft();
    }
}
