// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title The cheatcodes the invariant tests use, as forge offers them.
/// @dev npm has no official forge-std; a whole copy of it would be more than these lines.
interface Vm {
    function prank(address sender) external;
    function assume(bool condition) external pure;
    function warp(uint256 time) external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 key) external pure returns (address);
    function writeLine(string calldata path, string calldata line) external;
    function toString(uint256 value) external pure returns (string memory);
    function assertTrue(bool condition, string calldata message) external pure;
    function assertEq(uint256 left, uint256 right, string calldata message) external pure;
    function assertEq(bool left, bool right, string calldata message) external pure;
    function assertEq(bytes32 left, bytes32 right, string calldata message) external pure;
    function assertEq(address left, address right, string calldata message) external pure;
    function assertLe(uint256 left, uint256 right, string calldata message) external pure;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
