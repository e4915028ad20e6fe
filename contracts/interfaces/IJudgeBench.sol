// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {JobId, SlotId} from "./Types.sol";

/// @title Judges' seats, the bond behind each, and who is drawn.
/// @notice An owner may hold several slots; each serves one hardware class. A draw takes only slots that were active when its
/// round began, so nobody moves it by joining or leaving.
interface IJudgeBench {
    /// @notice A judge's seat.
    struct Slot {
        address owner; // holds the stake, receives fees
        uint40 activeFrom;
        uint40 activeUntil; // 0 while active; draws for older commitments may still take a slot that has left
        uint8 strikes; // deadlines missed; at three the slot is suspended
        address operator; // sends verdicts, cannot touch money
        uint16 hardwareClass;
        uint64 index; // position on the bench of its class
    }

    /// @notice The money of a slot, in one word: what is left of its bond, how much of that its live cases reserve (5 F each), and
    /// the fees it has earned and not collected. Those lie with the treasury.
    struct Bond {
        uint80 left;
        uint80 reserved;
        uint8 cases;
        uint88 earned;
    }

    /// @notice A walk over the bench in the order that a seed gives.
    struct Walk {
        JobId jobId;
        uint8 round;
        bytes32 seed;
        uint40 since; // only slots active by then are drawn
        uint16 hardwareClass;
        uint256 fee;
        address buyer;
        address seller;
        uint256 probe; // where to go on
        uint256 wanted;
    }

    event SlotTaken(SlotId indexed slotId, address indexed owner, address operator, uint16 hardwareClass);
    event SlotLeft(SlotId indexed slotId, uint40 activeUntil);
    event SlotReleased(SlotId indexed slotId);
    event JudgePenalised(JobId indexed jobId, SlotId indexed slotId, uint256 amount);
    event FeesEarned(JobId indexed jobId, SlotId[] judges, uint256 first, uint256 each);
    event FeesCollected(SlotId indexed slotId, address indexed owner, uint256 amount);

    error OnlyTheCourts(address court, address ballots);
    error OnlyTheTreasury(address treasury);
    error ZeroOperator();
    error OnlySlotOwner(address owner);
    error SlotNotActive(SlotId slotId);
    error SlotNotEligible(SlotId slotId);
    error SlotBusy(uint8 cases);
    error NothingEarned(SlotId slotId);
    error ExitDelayRunning(uint40 readyAt, uint40 time);

    /* SEATS */

    /// @notice Takes a seat for `hardwareClass`; locks `slotBond` of the caller's stake in the vault.
    /// @param operator The key that will send verdicts; it may be the caller.
    function takeSlot(uint16 hardwareClass, address operator) external returns (SlotId);

    /// @notice Leaves the seat: no draw for a commitment made after this takes it.
    function leaveSlot(SlotId slotId) external;

    /// @notice Returns the bond once `slotExitDelay` has passed and no case is live, and pays what the slot has earned; the seat
    /// can be taken anew.
    function releaseSlot(SlotId slotId) external;

    /// @notice Pays the owner what the slot has earned. Anyone may call it.
    function collect(SlotId slotId) external;

    /* THE COURT'S AND ITS BALLOTS' */

    /// @notice Draws and assigns up to `wanted` judges, none of whom shares a key with another, the parties or `taken`.
    function draw(Walk calldata walk, SlotId[] calldata taken) external returns (SlotId[] memory found, uint256 probe);

    /// @notice Assigns a slot whose operator offered itself.
    function enlist(SlotId slotId, Walk calldata walk, SlotId[] calldata taken) external;

    /// @notice Ends assignments without loss.
    function dismiss(SlotId[] calldata judges, uint256 fee) external;

    /// @notice Ends an assignment and sends `amount` of the bond to the escrow; a late judge also gets a strike.
    function penalise(JobId jobId, SlotId slotId, uint256 fee, uint256 amount, bool isLate) external returns (uint256);

    /// @notice Takes up to `amount` of what no live case reserves, and suspends the slot: its word was false.
    function suspend(JobId jobId, SlotId slotId, uint256 amount) external returns (uint256 taken);

    /* THE TREASURY'S */

    /// @notice Credits judges with their fees: the first of them with `first`, every other with `each`.
    function reward(JobId jobId, SlotId[] calldata judges, uint256 first, uint256 each) external;

    /* VIEWS */

    function court() external view returns (address);
    function ballots() external view returns (address);
    function slotBond() external view returns (uint256);
    function slotExitDelay() external view returns (uint40);
    function slotCount() external view returns (uint32);
    function slotOf(SlotId slotId) external view returns (Slot memory);
    function ownerOf(SlotId slotId) external view returns (address);
    function operatorOf(SlotId slotId) external view returns (address);
    function bondOf(SlotId slotId) external view returns (Bond memory);
    /// @notice Whether the slot may speak for judges now.
    function isActive(SlotId slotId) external view returns (bool);
    /// @notice How many independent owners with an active slot serve the class.
    function ownersOf(uint16 hardwareClass) external view returns (uint32);
    /// @notice Whether a job between these two could be given a judge and a committee at this fee.
    function canJudge(uint16 hardwareClass, address buyer, address seller, uint256 fee) external view returns (bool);
}
