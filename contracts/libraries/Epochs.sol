// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Epoch} from "../interfaces/IBeacon.sol";

/// @title The beacon's calendar. It never changes, so whoever knows genesis and span need not ask the beacon.
library Epochs {
    /// @param span Seconds of an epoch.
    /// @return The first epoch whose round lies at or after `time`.
    function firstFrom(uint256 time, uint256 genesis, uint256 span) internal pure returns (Epoch) {
        if (time <= genesis) return Epoch.wrap(0);
        uint256 epoch = (time - genesis + span - 1) / span;
        assert(epoch <= type(uint32).max);
        return Epoch.wrap(uint32(epoch));
    }

    /// @return When the round of `epoch` is published.
    function timeOf(Epoch epoch, uint256 genesis, uint256 span) internal pure returns (uint40) {
        return uint40(genesis + Epoch.unwrap(epoch) * span);
    }
}
