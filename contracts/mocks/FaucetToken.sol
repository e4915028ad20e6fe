// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A devnet's payment token: anyone may take a bounded amount.
contract FaucetToken is ERC20, ERC20Permit {
    uint256 public constant FAUCET_LIMIT = 10_000e18;

    error FaucetLimit(uint256 limit);

    constructor() ERC20("ComputeSwarm Faucet Token", "TOK") ERC20Permit("ComputeSwarm Faucet Token") {}

    /// @notice Mints `amount` to `to`; at most `FAUCET_LIMIT` a call.
    function faucet(address to, uint256 amount) external {
        require(amount <= FAUCET_LIMIT, FaucetLimit(FAUCET_LIMIT));
        _mint(to, amount);
    }
}
