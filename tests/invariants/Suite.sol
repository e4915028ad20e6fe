// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {vm} from "./Vm.sol";

/// @title Who acts at random: calls the contracts under test, never reverts, counts what really happened.
/// @dev Forge swallows a failed cheatcode assertion of a handler that may revert, so handlers may not (`fail_on_revert`):
/// they catch what a contract refuses, and compare it with what a model of the contract expects.
abstract contract Handler {
    uint256[] internal _counts;

    constructor() {
        _counts = new uint256[](_deeds().length);
    }

    /// @notice What must happen at least once in a whole campaign; the runner fails when one of them never did.
    function _deeds() internal pure virtual returns (string[] memory);

    function counts() external view returns (string[] memory, uint256[] memory) {
        return (_deeds(), _counts);
    }

    /// @return A number from `least` to `most`, both included.
    function _between(uint256 random, uint256 least, uint256 most) internal pure returns (uint256) {
        return least + random % (most - least + 1);
    }

    /// @dev Calls `target` as `sender`. The result is the return data, or the reason of the refusal.
    function _try(address sender, address target, bytes memory data) internal returns (bool success, bytes memory result) {
        vm.prank(sender);
        return target.call(data);
    }
}

/// @title A campaign of random calls to one handler.
abstract contract Suite {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function _handler() internal view virtual returns (Handler);
    function _selectors() internal pure virtual returns (bytes4[] memory);
    function _name() internal pure virtual returns (string memory);

    /// @dev Read by forge: only the handler is called.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler());
    }

    /// @dev Read by forge: only these functions of it.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler()), _selectors());
    }

    /// @dev Called by forge at the end of every run: one line a deed, summed by the runner.
    function afterInvariant() external {
        (string[] memory deeds, uint256[] memory counts) = _handler().counts();
        string memory file = string.concat("build/forge/counts/", _name());
        for (uint256 i; i < deeds.length; ++i) {
            vm.writeLine(file, string.concat(deeds[i], " ", vm.toString(counts[i])));
        }
    }
}
