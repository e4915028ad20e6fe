// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title Six decimals, as stablecoins have.
contract SixDecimalsToken is ERC20 {
    constructor() ERC20("Six Decimals", "SIX") {}

    function faucet(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }
}

/// @title Keeps one per cent of every transfer.
contract FeeOnTransferToken is ERC20 {
    constructor() ERC20("Fee On Transfer", "FEE") {}

    function faucet(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        uint256 fee = from == address(0) ? 0 : amount / 100;
        super._update(from, to, amount - fee);
        if (fee > 0) super._update(from, address(0), fee);
    }
}

/// @title Its transfers return nothing, as some of the oldest tokens do.
contract NoReturnToken {
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    uint256 public totalSupply;

    function faucet(address to, uint256 amount) external {
        balanceOf[to] += amount;
        totalSupply += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @title Calls the recipient of every transfer that asked for it, as ERC-777 does.
contract HookToken is ERC20 {
    mapping(address account => bool) public wantsHook;

    constructor() ERC20("Hook", "HOOK") {}

    function faucet(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setHook(bool wanted) external {
        wantsHook[msg.sender] = wanted;
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && wantsHook[to]) IRecipient(to).onTokens(amount);
    }
}

interface IRecipient {
    function onTokens(uint256 amount) external;
}

/// @title A role played by a contract that misbehaves when it is paid.
contract HookActor is IRecipient {
    enum Mood {
        Accept,
        Revert,
        BurnGas,
        Reenter
    }

    Mood public mood;
    bytes public reentry; // a call to make while being paid
    address public target;
    bool public reentered;

    error Unwilling();

    /// @notice Makes any call as this contract.
    function act(address to, bytes calldata data) external returns (bytes memory) {
        (bool success, bytes memory result) = to.call(data);
        if (!success) {
            assembly {
                revert(add(result, 32), mload(result))
            }
        }
        return result;
    }

    function setMood(Mood mood_, address target_, bytes calldata reentry_) external {
        (mood, target, reentry) = (mood_, target_, reentry_);
    }

    function onTokens(uint256) external {
        if (mood == Mood.Revert) revert Unwilling();
        while (mood == Mood.BurnGas) {}
        if (mood == Mood.Reenter) (reentered,) = target.call(reentry);
    }
}
