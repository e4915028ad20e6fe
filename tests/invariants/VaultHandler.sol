// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {StakeVault} from "../../contracts/StakeVault.sol";
import {IStakeVault, UnbondId} from "../../contracts/interfaces/IStakeVault.sol";
import {HostileToken} from "./HostileToken.sol";
import {Handler} from "./Suite.sol";
import {vm} from "./Vm.sol";

/// @title Stakers, slashers and a hostile token, beside a model that knows what each call must do.
contract VaultHandler is Handler {
    uint256 public constant STAKERS = 4;
    uint256 public constant SLASHERS = 3;
    uint256 private constant LARGEST = 1e24;

    enum Deed {
        Deposit,
        Permit,
        Unbond,
        Withdraw,
        SetKeys,
        Authorise,
        Revoke,
        Lock,
        Unlock,
        Slash,
        Refused,
        Reentered,
        ReentryRefused
    }

    struct Entry {
        uint256 amount;
        uint256 readyAt;
    }

    StakeVault public immutable vault;
    HostileToken public immutable token;
    uint256 public donated;
    mapping(address staker => uint256) public stake;
    mapping(address staker => mapping(address slasher => uint256)) public locked;
    mapping(address staker => mapping(address slasher => bool)) public authorised;
    mapping(address staker => address) public operatorOf;
    mapping(address staker => address) public payoutOf;
    mapping(address staker => Entry[]) private _entries;

    constructor(StakeVault vault_, HostileToken token_) {
        (vault, token) = (vault_, token_);
        for (uint256 i; i < STAKERS; ++i) {
            token_.mint(staker(i), 1 << 200); // more than the books can hold
            vm.prank(staker(i));
            token_.approve(address(vault_), type(uint256).max);
        }
    }

    function staker(uint256 i) public pure returns (address) {
        return address(uint160(0x5000 + i % STAKERS));
    }

    function slasher(uint256 i) public pure returns (address) {
        return address(uint160(0xC000 + i % SLASHERS));
    }

    function entriesOf(address who) external view returns (Entry[] memory) {
        return _entries[who];
    }

    function lockedOf(address who) public view returns (uint256 sum) {
        for (uint256 i; i < SLASHERS; ++i) sum += locked[who][slasher(i)];
    }

    function _deeds() internal pure override returns (string[] memory names) {
        names = new string[](13);
        (names[0], names[1], names[2], names[3]) = ("deposit", "permit", "unbond", "withdraw");
        (names[4], names[5], names[6], names[7]) = ("set keys", "authorise", "revoke", "lock");
        (names[8], names[9], names[10]) = ("unlock", "slash", "refused");
        (names[11], names[12]) = ("reentered", "reentry refused");
    }

    /* TIME AND TOKEN */

    function travel(uint256 seconds_) external {
        vm.warp(block.timestamp + _between(seconds_, 1, 2 hours));
    }

    /// @dev Half of the time the token is plain: otherwise nobody would ever get a stake.
    function setMood(uint256 random) external {
        token.setMood(HostileToken.Mood(random % 12 < 6 ? 0 : random % 6));
    }

    function donate(uint256 amount) external {
        amount = _between(amount, 0, 1e18);
        token.mint(address(vault), amount);
        donated += amount;
    }

    /* STAKERS */

    function deposit(uint256 who, uint256 forWhom, uint256 amount) external {
        amount = _amount(amount, LARGEST);
        bool expected = amount > 0 && amount <= type(uint128).max && _arrivesWhole();
        bytes memory call_ = abi.encodeCall(IStakeVault.deposit, (staker(forWhom), amount));
        _expect(Deed.Deposit, expected, staker(who), call_);
        if (expected) stake[staker(forWhom)] += amount;
    }

    /// @dev A permit in place of an approval. Somebody may bring it first; a wrong one is of no use.
    function permit(uint256 who, uint256 forWhom, uint256 amount, uint256 kind) external {
        address payer = staker(who);
        amount = _between(amount, 1, LARGEST);
        bytes32 signature = token.permitFor(payer, address(vault), amount, 0);
        vm.prank(payer);
        token.approve(address(vault), 0);
        bool isWrong = kind % 4 == 0;
        if (kind % 4 == 1) token.permit(payer, address(vault), amount, 0, 0, signature, 0);

        bytes memory call_ = abi.encodeCall(
            IStakeVault.depositWithPermit, (staker(forWhom), amount, 0, 0, isWrong ? bytes32(0) : signature, 0)
        );
        bool expected = !isWrong && _arrivesWhole();
        _expect(Deed.Permit, expected, payer, call_);
        if (expected) stake[staker(forWhom)] += amount;
        vm.prank(payer);
        token.approve(address(vault), type(uint256).max);
    }

    function unbond(uint256 who, uint256 amount) external {
        amount = _amount(amount, _free(staker(who)));
        bool expected = amount > 0 && amount <= _free(staker(who));
        _expect(Deed.Unbond, expected, staker(who), abi.encodeCall(IStakeVault.unbond, (amount)));
        if (expected) _modelUnbond(staker(who), amount);
    }

    function withdraw(uint256 who, uint256 id, uint256 toWhom) external {
        address owner = staker(who);
        id = _between(id, 0, _entries[owner].length);
        bool exists = id < _entries[owner].length && _entries[owner][id].amount > 0;
        bool expected = exists && block.timestamp >= _entries[owner][id].readyAt && _leaves();
        uint256 amount = exists ? _entries[owner][id].amount : 0;
        uint256 before = token.balanceOf(staker(toWhom));

        bytes memory call_ = abi.encodeCall(IStakeVault.withdraw, (UnbondId.wrap(uint64(id)), staker(toWhom)));
        _expect(Deed.Withdraw, expected, owner, call_);
        if (!expected) return;
        _entries[owner][id].amount = 0;
        vm.assertEq(token.balanceOf(staker(toWhom)) - before, amount - _fee(amount), "a withdrawal pays what was unbonded");
    }

    function setKeys(uint256 who, uint256 operator, uint256 payout) external {
        address owner = staker(who);
        operatorOf[owner] = operator % 3 == 0 ? address(0) : slasher(operator);
        payoutOf[owner] = payout % 3 == 0 ? address(0) : slasher(payout);
        _expect(Deed.SetKeys, true, owner, abi.encodeCall(IStakeVault.setKeys, (operatorOf[owner], payoutOf[owner])));
    }

    function authorise(uint256 who, uint256 whom) external {
        _expect(Deed.Authorise, true, staker(who), abi.encodeCall(IStakeVault.authorise, (slasher(whom))));
        authorised[staker(who)][slasher(whom)] = true;
    }

    function revoke(uint256 who, uint256 whom) external {
        bool expected = locked[staker(who)][slasher(whom)] == 0;
        _expect(Deed.Revoke, expected, staker(who), abi.encodeCall(IStakeVault.revoke, (slasher(whom))));
        if (expected) authorised[staker(who)][slasher(whom)] = false;
    }

    /* SLASHERS */

    function lock(uint256 by, uint256 whom, uint256 amount) external {
        (address who, address account) = (slasher(by), staker(whom));
        amount = _amount(amount, _free(account));
        bool expected = authorised[account][who] && amount <= _free(account);
        _expect(Deed.Lock, expected, who, abi.encodeCall(IStakeVault.lock, (account, amount)));
        if (expected) locked[account][who] += amount;
    }

    function unlock(uint256 by, uint256 whom, uint256 amount) external {
        (address who, address account) = (slasher(by), staker(whom));
        amount = _amount(amount, locked[account][who]);
        bool expected = amount <= locked[account][who];
        _expect(Deed.Unlock, expected, who, abi.encodeCall(IStakeVault.unlock, (account, amount)));
        if (expected) locked[account][who] -= amount;
    }

    function slash(uint256 by, uint256 whom, uint256 amount, uint256 toWhom) external {
        (address who, address account) = (slasher(by), staker(whom));
        amount = _amount(amount, locked[account][who]);
        bool expected = amount <= locked[account][who] && _leaves();
        uint256 before = token.balanceOf(staker(toWhom));
        bytes memory call_ = abi.encodeCall(IStakeVault.slash, (account, amount, staker(toWhom)));
        _expect(Deed.Slash, expected, who, call_);
        if (!expected) return;
        locked[account][who] -= amount;
        stake[account] -= amount;
        vm.assertEq(token.balanceOf(staker(toWhom)) - before, amount - _fee(amount), "a slash pays what was taken");
    }

    /* REENTRY */

    /// @dev A withdrawal in the middle of which a staker or a slasher makes another call.
    function reenter(uint256 who, uint256 id, uint256 kind, uint256 amount) external {
        (address owner, address guest) = (staker(who), kind % 5 == 4 ? slasher(amount) : staker(who));
        if (_entries[owner].length == 0) return;
        id = _between(id, 0, _entries[owner].length - 1);
        if (_entries[owner][id].amount == 0 || block.timestamp < _entries[owner][id].readyAt) return;
        uint256 free = _free(owner);
        amount = _between(amount, 1, free + 1);

        token.setMood(HostileToken.Mood.CallsBack);
        token.setReentry(guest, address(vault), _reentry(kind, owner, id, amount));
        bytes memory call_ = abi.encodeCall(IStakeVault.withdraw, (UnbondId.wrap(uint64(id)), owner));
        _expect(Deed.Withdraw, true, owner, call_);
        _entries[owner][id].amount = 0;

        vm.assertTrue(token.reentryRan(), "the reentry was tried");
        bool mayUnbond = kind % 5 == 0 && amount <= free;
        vm.assertEq(token.reentrySucceeded(), mayUnbond, "what moves tokens cannot be entered twice");
        if (mayUnbond) _modelUnbond(owner, amount);
        ++_counts[uint256(mayUnbond ? Deed.Reentered : Deed.ReentryRefused)];
        token.setReentry(address(0), address(0), "");
        token.setMood(HostileToken.Mood.Plain);
    }

    function _reentry(uint256 kind, address owner, uint256 id, uint256 amount) private pure returns (bytes memory) {
        if (kind % 5 == 0) return abi.encodeCall(IStakeVault.unbond, (amount));
        if (kind % 5 == 1) return abi.encodeCall(IStakeVault.withdraw, (UnbondId.wrap(uint64(id)), owner));
        if (kind % 5 == 2) return abi.encodeCall(IStakeVault.withdraw, (UnbondId.wrap(uint64(id + 1)), owner));
        if (kind % 5 == 3) return abi.encodeCall(IStakeVault.deposit, (owner, amount));
        return abi.encodeCall(IStakeVault.slash, (owner, 0, owner));
    }

    /* MODEL */

    function _modelUnbond(address who, uint256 amount) private {
        stake[who] -= amount;
        _entries[who].push(Entry(amount, block.timestamp + vault.unbondDelay()));
    }

    function _free(address who) private view returns (uint256) {
        return stake[who] - lockedOf(who);
    }

    /// @dev Whether a transfer into the vault can be booked whole.
    function _arrivesWhole() private view returns (bool) {
        HostileToken.Mood mood = token.mood();
        return _leaves() && mood != HostileToken.Mood.KeepsFee;
    }

    /// @dev Whether a transfer out of the vault succeeds. The recipient bears a token's own fee.
    function _leaves() private view returns (bool) {
        HostileToken.Mood mood = token.mood();
        return mood != HostileToken.Mood.Reverts && mood != HostileToken.Mood.ReturnFalse;
    }

    function _fee(uint256 amount) private view returns (uint256) {
        return token.mood() == HostileToken.Mood.KeepsFee ? (amount + 99) / 100 : 0;
    }

    /// @dev Mostly in range; sometimes nothing, the whole, one too many, or more than a word of the books holds.
    function _amount(uint256 random, uint256 most) private pure returns (uint256) {
        uint256 kind = random % 16;
        if (kind == 0) return 0;
        if (kind == 1) return most + 1;
        if (kind == 2) return uint256(type(uint128).max) + 1 + random % 1e30;
        return kind < 6 ? most : _between(random, 0, most);
    }

    function _expect(Deed deed, bool expected, address who, bytes memory call_) private {
        (bool success,) = _try(who, address(vault), call_);
        vm.assertEq(success, expected, string.concat("the model expects otherwise: ", _deeds()[uint256(deed)]));
        ++_counts[uint256(success ? deed : Deed.Refused)];
    }
}
