// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @notice What a deployment of the escrow chooses. There is no setter: a new value is a new deployment.
struct EscrowParameters {
    uint96 minPrice;
    uint96 feeMin; // the least a judge is paid for one segment
    uint40 seedDelay; // from a submission to the earliest round that may decide it
    uint40 auditWindow; // from a submission to the settlement anyone may call
    uint24 maxRunSeconds;
    uint24 maxSegmentSeconds;
    uint16 maxSegments;
}

/// @notice What a deployment of the court chooses. Times are seconds.
struct CourtParameters {
    uint40 judgeMinSeconds; // the least a drawn judge is given for its verdict
    uint40 appealSeconds; // from a tally to its execution
    uint24 maxSegmentSeconds; // the longest segment the escrow lets anyone post
}

/// @notice What a deployment of the ballots chooses. Times are seconds.
struct BallotParameters {
    uint40 sealMinSeconds; // the least a committee is given to seal
    uint40 revealSeconds;
    uint40 drawWindow; // from the seed's time until a committee must be complete
    uint40 seedDelay; // from the call of a ballot to the earliest round that may draw its committee
}

/// @notice What a deployment of the beacon chooses for the day its randomness stops. Times are seconds.
struct FallbackParameters {
    uint40 patience; // from a round's time to the first commitment that replaces it
    uint40 commitSeconds;
    uint40 revealSeconds;
}
