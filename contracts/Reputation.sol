// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IReputation} from "./interfaces/IReputation.sol";
import {BPS} from "./libraries/Bps.sol";

/// @title What sellers have done, as the escrow saw it.
contract Reputation is IReputation {
    uint256 private constant FAULT_WEIGHT = 4;

    address public immutable escrow;
    /// @inheritdoc IReputation
    uint80 public immutable unit;

    mapping(address seller => Record) private _records;
    mapping(address seller => mapping(address payer => uint256 counted)) private _counted;

    modifier onlyEscrow() {
        require(msg.sender == escrow, OnlyEscrow(escrow));
        _;
    }

    /// @param escrow_ The address the escrow will be created at.
    constructor(address escrow_, uint80 unit_) {
        assert(unit_ > 0);
        (escrow, unit) = (escrow_, unit_);
    }

    /// @inheritdoc IReputation
    function recordPass(address seller, address payer, uint256 price) external onlyEscrow {
        uint256 counted = _counted[seller][payer];
        uint256 added = Math.min(price, unit - counted);
        if (added == 0) return;

        _counted[seller][payer] = counted + added;
        _records[seller].passed = _add(_records[seller].passed, added);

        emit Recorded(seller, payer, _records[seller]);
    }

    /// @inheritdoc IReputation
    function recordFault(address seller, address payer, uint256 price) external onlyEscrow {
        _records[seller].faults = _add(_records[seller].faults, price);

        emit Recorded(seller, payer, _records[seller]);
    }

    /// @inheritdoc IReputation
    function recordLate(address seller, address payer, uint256 price) external onlyEscrow {
        _records[seller].late = _add(_records[seller].late, price);

        emit Recorded(seller, payer, _records[seller]);
    }

    /// @dev A full account stays full: it must never hold up a payment.
    function _add(uint80 sum, uint256 value) private pure returns (uint80) {
        return uint80(Math.min(uint256(sum) + value, type(uint80).max));
    }

    /* VIEWS */

    /// @inheritdoc IReputation
    function recordOf(address seller) external view returns (Record memory) {
        return _records[seller];
    }

    /// @inheritdoc IReputation
    function scoreOf(address seller) external view returns (uint16) {
        Record memory record = _records[seller];
        uint256 against = unit + FAULT_WEIGHT * record.faults + record.late;
        return uint16((BPS * record.passed) / (record.passed + against));
    }
}
