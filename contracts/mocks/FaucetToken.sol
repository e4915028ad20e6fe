// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title The devnet's money: anyone may take some.
contract FaucetToken is ERC20, ERC20Permit {
    uint256 public constant FAUCET_LIMIT = 1_000_000 ether;

    error FaucetLimit(uint256 limit, uint256 amount);

    constructor() ERC20("ComputeSwarm Faucet Token", "TOK") ERC20Permit("ComputeSwarm Faucet Token") {}

    /// @notice Mints `amount`, at most the limit a call, to `to`.
    function faucet(address to, uint256 amount) external {
        require(amount <= FAUCET_LIMIT, FaucetLimit(FAUCET_LIMIT, amount));

        _mint(to, amount);
    }
}
