// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @dev Jobs are numbered from 1 in the order they were posted; 0 means no job.
type JobId is uint64;

/// @dev Judges' slots are numbered from 1 within the court; 0 means no slot.
type SlotId is uint32;
