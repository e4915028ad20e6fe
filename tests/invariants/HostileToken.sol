// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {vm} from "./Vm.sol";

/// @title A token that behaves as badly as it is told to, and counts correctly all the while.
contract HostileToken {
    enum Mood {
        Plain,
        NoReturn, // as the oldest tokens
        ReturnFalse, // moves nothing
        Reverts,
        KeepsFee, // one per cent of every transfer
        CallsBack // the recipient, who may do what it likes in there
    }

    Mood public mood;
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    mapping(address owner => uint256) public nonces;
    uint256 public totalSupply;
    address public guest; // who acts while a transfer is under way
    address public target;
    bytes public reentry;
    bool public reentryRan;
    bool public reentrySucceeded;

    error Unwilling();
    error WrongPermit();

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    /// @notice The next transfer under `CallsBack` makes this call as `guest_`, once.
    function setReentry(address guest_, address target_, bytes calldata reentry_) external {
        (guest, target, reentry, reentryRan, reentrySucceeded) = (guest_, target_, reentry_, false, false);
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
        totalSupply += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    /// @notice As ERC-2612 has it, but what `permitFor` returns stands for the signature.
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8, bytes32 r, bytes32)
        external
    {
        require(r == permitFor(owner, spender, value, deadline), WrongPermit());
        ++nonces[owner];
        allowance[owner][spender] = value;
    }

    function permitFor(address owner, address spender, uint256 value, uint256 deadline) public view returns (bytes32) {
        return keccak256(abi.encode(owner, spender, value, deadline, nonces[owner]));
    }

    function transfer(address to, uint256 amount) external {
        _answer(_move(msg.sender, to, amount));
    }

    function transferFrom(address from, address to, uint256 amount) external {
        if (mood != Mood.ReturnFalse) allowance[from][msg.sender] -= amount;
        _answer(_move(from, to, amount));
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        if (mood == Mood.Reverts) revert Unwilling();
        if (mood == Mood.ReturnFalse) return false;
        balanceOf[from] -= amount;
        uint256 fee = mood == Mood.KeepsFee ? (amount + 99) / 100 : 0;
        balanceOf[to] += amount - fee;
        totalSupply -= fee;
        if (mood == Mood.CallsBack && reentry.length > 0 && !reentryRan) {
            reentryRan = true;
            vm.prank(guest);
            (reentrySucceeded,) = target.call(reentry);
        }
        return true;
    }

    function _answer(bool moved) private view {
        if (mood == Mood.NoReturn) return;
        assembly {
            mstore(0, moved)
            return(0, 32)
        }
    }
}
