// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAuditCourt} from "../../contracts/interfaces/IAuditCourt.sol";
import {IJudgeBench} from "../../contracts/interfaces/IJudgeBench.sol";
import {Job, JobStatus} from "../../contracts/interfaces/Job.sol";
import {JobId, SlotId} from "../../contracts/interfaces/Types.sol";
import {MarketHandler} from "./MarketHandler.sol";
import {MarketLedger} from "./MarketLedger.sol";
import {Handler, Suite} from "./Suite.sol";
import {vm} from "./Vm.sol";

/// @title The whole market under any order of calls.
/// @dev Here is what holds of the whole; what holds after each call is in `MarketChecks`.
contract MarketInvariants is Suite {
    uint256 private constant LIVENESS_EVERY = 8; // acts: it costs as much as many looks

    MarketHandler private _market;
    mapping(SlotId slot => uint256) private _reserved;
    mapping(SlotId slot => uint256) private _cases;
    mapping(address seller => uint256) private _collateral;

    function setUp() external {
        _market = new MarketHandler();
    }

    function _handler() internal view override returns (Handler) {
        return _market;
    }

    function _name() internal pure override returns (string memory) {
        return "Market";
    }

    function _selectors() internal pure override returns (bytes4[] memory all) {
        all = new bytes4[](13);
        (all[0], all[1], all[2]) =
            (MarketHandler.post.selector, MarketHandler.step.selector, MarketHandler.stepAll.selector);
        (all[3], all[4]) = (MarketHandler.deviate.selector, MarketHandler.challenge.selector);
        (all[5], all[6], all[7]) =
            (MarketHandler.expose.selector, MarketHandler.cashIn.selector, MarketHandler.stake.selector);
        (all[8], all[9], all[10]) =
            (MarketHandler.sit.selector, MarketHandler.travel.selector, MarketHandler.setMood.selector);
        (all[11], all[12]) = (MarketHandler.misuse.selector, MarketHandler.forge.selector);
    }

    /// @dev One function, because forge plays a campaign of its own for each; its parts bear the numbers.
    function invariant_market() external {
        _01_solvency();
        _03_collateral();
        _04_judgesLocks();
        _06_finalStates();
        _10_draws();
        _22_reentry();
        _08_liveness();
    }

    function _01_solvency() private view {
        uint256 owed = _market.escrow().pool() + _market.escrow().burnable();
        uint256[] memory live = _market.live();
        for (uint256 i; i < live.length; ++i) {
            MarketLedger.Entry memory entry = _market.entryOf(live[i]);
            owed += entry.job.held + entry.bonds;
        }
        address[] memory people = _market.everybody();
        for (uint256 i; i < people.length; ++i) owed += _market.escrow().creditOf(people[i]);
        owed += _market.escrow().creditOf(address(0x5E12)) + _market.escrow().creditOf(address(0x577A));
        IJudgeBench bench = _market.bench();
        for (uint32 i = 1; i <= bench.slotCount(); ++i) owed += bench.bondOf(SlotId.wrap(i)).earned;
        uint256 balance = _market.token().balanceOf(address(_market.escrow()));
        vm.assertEq(balance, owed, "1: the escrow's tokens are everything owed");
    }

    function _03_collateral() private {
        uint256[] memory live = _market.live();
        for (uint256 i; i < live.length; ++i) {
            Job memory job = _market.entryOf(live[i]).job;
            _collateral[job.seller] += job.collateral;
        }
        for (uint256 i; i < 5; ++i) {
            address seller = _market.seller(i);
            uint256 locked = _market.vault().lockedBy(seller, address(_market.escrow()));
            vm.assertEq(locked, _collateral[seller], "3: locked is the collateral of a seller's live jobs");
            vm.assertLe(locked, _market.vault().accountOf(seller).stake, "3: nothing is locked twice");
        }
        for (uint256 i; i < live.length; ++i) delete _collateral[_market.entryOf(live[i]).job.seller];
    }

    function _04_judgesLocks() private {
        uint256[] memory live = _market.live();
        for (uint256 i; i < live.length; ++i) _countCase(live[i]);
        IJudgeBench bench = _market.bench();
        uint256 bonds;
        for (uint32 i = 1; i <= bench.slotCount(); ++i) {
            SlotId slot = SlotId.wrap(i);
            IJudgeBench.Bond memory bond = bench.bondOf(slot);
            vm.assertEq(uint256(bond.reserved), _reserved[slot], "4: reserved is five fees of each live assignment");
            vm.assertEq(uint256(bond.cases), _cases[slot], "4: a slot's cases are its live assignments");
            vm.assertLe(bond.reserved, bond.left, "4: nothing is promised twice");
            bonds += bond.left;
            (_reserved[slot], _cases[slot]) = (0, 0);
        }
        uint256 locked;
        address[] memory people = _market.everybody();
        for (uint256 i; i < people.length; ++i) locked += _market.vault().lockedBy(people[i], address(bench));
        vm.assertEq(locked, bonds, "4: judges' locks are the bonds of their slots");
    }

    function _countCase(uint256 id) private {
        Job memory job = _market.entryOf(id).job;
        if (job.status != JobStatus.UnderAudit && job.status != JobStatus.Challenged) return;
        uint256 fee = _market.escrow().feeFor(job.price, job.segments);
        JobId jobId = JobId.wrap(uint64(id));
        IAuditCourt.Case memory case_ = _market.court().caseOf(jobId);
        if (case_.answersDraw && SlotId.unwrap(case_.judge) != 0) _assign(case_.judge, fee);
        for (uint8 round = case_.firstRound; round <= case_.round; ++round) {
            SlotId[] memory members = _market.ballots().committeeOf(jobId, round);
            for (uint256 i; i < members.length; ++i) _assign(members[i], fee);
        }
    }

    function _assign(SlotId slot, uint256 fee) private {
        _reserved[slot] += 5 * fee;
        ++_cases[slot];
    }

    function _06_finalStates() private view {
        uint256 count = _market.escrow().jobCount();
        for (uint256 id = 1; id <= count; ++id) {
            MarketLedger.Entry memory entry = _market.entryOf(id);
            bytes32 state = _market.escrow().stateOf(JobId.wrap(uint64(id)));
            vm.assertEq(state, keccak256(abi.encode(entry.job)), "6, 22: no call changes another job");
            bool isOver = entry.finalState != 0;
            vm.assertTrue(!isOver || state == entry.finalState, "6: final states never move");
            vm.assertTrue(!isOver || entry.balance == 0, "6: at its end all of a job's money has left, once");
        }
    }

    function _10_draws() private view {
        uint256 count = _market.escrow().jobCount();
        for (uint256 id = 1; id <= count; ++id) {
            MarketLedger.Entry memory entry = _market.entryOf(id);
            if (!entry.isKnown) continue;
            bool isDrawn = _market.escrow().isDrawn(JobId.wrap(uint64(id)), entry.job);
            vm.assertEq(isDrawn, entry.isDrawn, "9, 10: a seed, and what it draws, never changes");
        }
    }

    function _22_reentry() private view {
        vm.assertEq(_market.token().successes(), 0, "22: nobody enters the escrow while it pays");
    }

    /// @dev What an invariant changes, forge forgets.
    function _08_liveness() private {
        if (_market.acts() % LIVENESS_EVERY != 0) return;
        while (_market.live().length > 0) _market.bringToEnd(_market.live()[0]);
        _01_solvency();
        _03_collateral();
        _04_judgesLocks();
        vm.assertEq(_market.heldSum() + _market.bondSum(), 0, "8: at the end nothing is held");
    }
}
