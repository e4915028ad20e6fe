// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {StakeVault} from "../../contracts/StakeVault.sol";
import {IStakeVault, UnbondId} from "../../contracts/interfaces/IStakeVault.sol";
import {HostileToken} from "./HostileToken.sol";
import {Handler, Suite} from "./Suite.sol";
import {VaultHandler} from "./VaultHandler.sol";
import {vm} from "./Vm.sol";

/// @title The account book under any order of calls, a hostile token included.
contract StakeVaultInvariants is Suite {
    VaultHandler private _actors;

    function setUp() external {
        HostileToken token = new HostileToken();
        _actors = new VaultHandler(new StakeVault(address(token), 1 hours), token);
    }

    function _handler() internal view override returns (Handler) {
        return _actors;
    }

    function _name() internal pure override returns (string memory) {
        return "StakeVault";
    }

    function _selectors() internal pure override returns (bytes4[] memory all) {
        all = new bytes4[](14);
        (all[0], all[1], all[2]) =
            (VaultHandler.travel.selector, VaultHandler.setMood.selector, VaultHandler.donate.selector);
        (all[3], all[4], all[5]) =
            (VaultHandler.deposit.selector, VaultHandler.permit.selector, VaultHandler.unbond.selector);
        (all[6], all[7], all[8]) =
            (VaultHandler.withdraw.selector, VaultHandler.setKeys.selector, VaultHandler.authorise.selector);
        (all[9], all[10], all[11]) =
            (VaultHandler.revoke.selector, VaultHandler.lock.selector, VaultHandler.unlock.selector);
        (all[12], all[13]) = (VaultHandler.slash.selector, VaultHandler.reenter.selector);
    }

    /// @dev One function, because forge plays a campaign of its own for each.
    function invariant_books() external view {
        StakeVault vault = _actors.vault();
        uint256 owed;
        for (uint256 i; i < _actors.STAKERS(); ++i) {
            address staker = _actors.staker(i);
            IStakeVault.Account memory account = vault.accountOf(staker);
            vm.assertEq(account.stake, _actors.stake(staker), "3: the stake is what came less what left");
            vm.assertEq(account.locked, _actors.lockedOf(staker), "3: locked is the sum of all slashers' locks");
            vm.assertLe(account.locked, account.stake, "3: nothing is locked twice");
            vm.assertEq(vault.freeStakeOf(staker), account.stake - account.locked, "3: the rest is free");
            owed += account.stake + _unbonding(vault, staker);
            _checkLocks(vault, staker);
            _checkKeys(vault, staker);
        }
        uint256 balance = _actors.token().balanceOf(address(vault));
        vm.assertEq(balance, owed + _actors.donated(), "1: the vault's tokens are everything owed");
    }

    function _unbonding(StakeVault vault, address staker) private view returns (uint256 sum) {
        VaultHandler.Entry[] memory entries = _actors.entriesOf(staker);
        vm.assertEq(vault.unbondingsOf(staker), entries.length, "17: as many unbondings as were begun");
        for (uint256 i; i < entries.length; ++i) {
            IStakeVault.Unbonding memory unbonding = vault.unbondingOf(staker, UnbondId.wrap(uint64(i)));
            vm.assertEq(unbonding.amount, entries[i].amount, "1: an unbonding keeps its amount until it is paid");
            vm.assertEq(unbonding.readyAt, entries[i].readyAt, "18: an unbonding keeps its own clock");
            sum += unbonding.amount;
        }
    }

    function _checkLocks(StakeVault vault, address staker) private view {
        for (uint256 i; i < _actors.SLASHERS(); ++i) {
            address slasher = _actors.slasher(i);
            vm.assertEq(vault.lockedBy(staker, slasher), _actors.locked(staker, slasher), "3: each lock is its slasher's");
            bool authorised = _actors.authorised(staker, slasher);
            vm.assertEq(vault.isAuthorised(staker, slasher), authorised, "3: only the staker authorises");
            vm.assertTrue(authorised || vault.lockedBy(staker, slasher) == 0, "3: no lock outlives its authorisation");
        }
    }

    function _checkKeys(StakeVault vault, address staker) private view {
        address payout = _actors.payoutOf(staker);
        vm.assertEq(vault.operatorOf(staker), _actors.operatorOf(staker), "only the staker names its operator");
        vm.assertEq(vault.payoutOf(staker), payout == address(0) ? staker : payout, "a staker is paid where it says");
    }
}
