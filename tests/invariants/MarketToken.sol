// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {vm} from "./Vm.sol";

/// @title A stablecoin as they are: its issuer refuses whom it likes, and it may call recipients who do as they like.
contract MarketToken {
    uint256 private constant WASTE = 500_000; // gas a hooked recipient burns

    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    mapping(address account => bool) public isRefused;
    uint256 public totalSupply;
    address public hooked; // who is called when it receives
    address public target;
    bytes public reentry;
    uint256 public reentries;
    uint256 public successes;

    event Transfer(address indexed from, address indexed to, uint256 amount);

    error Refused(address account);

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
        totalSupply += amount;
    }

    function setRefused(address account, bool refused) external {
        isRefused[account] = refused;
    }

    /// @notice From now on `account` burns gas when it receives, then makes this call.
    function setHook(address account, address target_, bytes calldata reentry_) external {
        (hooked, target, reentry) = (account, target_, reentry_);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        return _move(from, to, amount);
    }

    /// @dev All gas of the call.
    function burnGas() external pure {
        assembly {
            invalid()
        }
    }

    /// @dev A refused recipient answers false in one half of the addresses and reverts in the other.
    function _move(address from, address to, uint256 amount) private returns (bool) {
        require(!isRefused[from], Refused(from));
        if (isRefused[to] && uint160(to) % 2 == 0) return false;
        require(!isRefused[to], Refused(to));
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
        if (to == hooked) _callBack();
        return true;
    }

    function _callBack() private {
        (bool burned,) = address(this).call{gas: WASTE}(abi.encodeCall(this.burnGas, ()));
        assert(!burned);
        if (reentry.length == 0) return;
        ++reentries;
        vm.prank(hooked);
        (bool success,) = target.call(reentry);
        if (success) ++successes;
    }
}
