// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Several calls in one transaction, all or none: who must take two steps need not pay for two envelopes.
/// @dev Every call is checked as if it came alone; the caller is the same and no coin is taken.
abstract contract Multicall {
    /// @notice Makes the encoded calls of this contract in their order.
    function multicall(bytes[] calldata calls) external {
        for (uint256 i; i < calls.length; ++i) Address.functionDelegateCall(address(this), calls[i]);
    }
}
