// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title What sellers have done, as the escrow saw it.
/// @notice Audits passed, faults and lateness, each weighed by the price of the job. A pass counts only up to one unit per
/// payer, so that nobody makes a name with one friend's money. It sorts and filters; it never lowers an audit rate.
interface IReputation {
    struct Record {
        uint80 passed; // Σ price of jobs whose audit was passed, each payer's part bounded
        uint80 faults; // Σ price of jobs the seller was slashed for
        uint80 late; // Σ price of jobs never handed in
    }

    event Recorded(address indexed seller, address indexed payer, Record record);

    error OnlyEscrow(address escrow);

    function recordPass(address seller, address payer, uint256 price) external;
    function recordFault(address seller, address payer, uint256 price) external;
    function recordLate(address seller, address payer, uint256 price) external;

    /* VIEWS */

    function recordOf(address seller) external view returns (Record memory);
    /// @notice passed / (passed + unit + 4 · faults + late), in basis points: with m payers at most m / (m + 1).
    function scoreOf(address seller) external view returns (uint16);
    /// @notice What one payer can add to a seller's passes, all its jobs together.
    function unit() external view returns (uint80);
}
