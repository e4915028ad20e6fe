// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @dev What a deployment fixes for good. Amounts in the token's smallest unit, times in seconds.
struct EscrowParameters {
    uint96 minPrice;
    uint96 feeMin; // F_min: what a re-execution costs at least
    uint40 seedDelay; // from a commitment to the earliest round that may decide it
    uint40 auditWindow;
    uint24 maxRunSeconds;
    uint24 maxSegmentSeconds;
    uint16 maxSegments;
}

struct CourtParameters {
    uint128 slotBond;
    uint40 judgeMinSeconds; // verdict: the larger of this and three segments
    uint40 sealMinSeconds; // sealing: the larger of this and three segments
    uint40 revealSeconds;
    uint40 drawWindow; // from the fresh seed to a full committee
    uint40 seedDelay;
    uint40 slotExitDelay;
    uint24 maxSegmentSeconds;
}
