// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {AuditTerms} from "./interfaces/IAuditable.sol";
import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {JobId, SlotId} from "./interfaces/Types.sol";

/// @title The court's seats: who may be drawn, and the bond behind each seat.
/// @dev Invariant: for every slot, reserved = 5 F for each of its live assignments ≤ bond left ≤ the owner's stake locked
/// here. A slot loses at most what was reserved for the case it sat in, so nothing is promised twice.
abstract contract Bench is IAuditCourt, ReentrancyGuardTransient {
    using Checkpoints for Checkpoints.Trace208;

    uint256 private constant MAX_STRIKES = 3;
    uint256 private constant MAX_CASES = 4;
    uint256 private constant MIN_OWNERS = 4; // one to be drawn, three for a committee
    uint256 internal constant WRONG_FEES = 5; // what a judge who was overruled loses, in fees; a late one loses one

    /// @notice All slots of one hardware class. Positions are only ever added; one that was released may be taken anew, by a
    /// slot too young for the draws that could have met the old one: the bench does not grow with history.
    struct Seats {
        SlotId[] slots;
        uint64[] vacant;
        Checkpoints.Trace208 lengths;
        uint32 owners;
        mapping(address owner => uint32 slots) activeSlots;
    }

    struct Bond {
        uint128 left;
        uint128 reserved;
    }

    IStakeVault public immutable vault;
    /// @inheritdoc IAuditCourt
    address public immutable auditable;
    /// @inheritdoc IAuditCourt
    uint256 public immutable slotBond;
    uint40 internal immutable _slotExitDelay;

    /// @inheritdoc IAuditCourt
    uint32 public slotCount;
    mapping(SlotId slotId => Slot) internal _slots;
    mapping(SlotId slotId => Bond) private _bonds;
    mapping(uint16 hardwareClass => Seats) private _benches;

    constructor(IStakeVault vault_, address auditable_, uint256 slotBond_, uint40 slotExitDelay) {
        (vault, auditable, slotBond, _slotExitDelay) = (vault_, auditable_, slotBond_, slotExitDelay);
    }

    /// @inheritdoc IAuditCourt
    function takeSlot(uint16 hardwareClass, address operator) external nonReentrant returns (SlotId slotId) {
        require(operator != address(0), OnlyOperator(operator));

        slotId = SlotId.wrap(++slotCount);
        Slot storage slot = _slots[slotId];
        (slot.owner, slot.operator, slot.hardwareClass) = (msg.sender, operator, hardwareClass);
        slot.activeFrom = _now();
        slot.index = _sit(_benches[hardwareClass], slotId);
        _bonds[slotId].left = uint128(slotBond);

        emit SlotTaken(slotId, msg.sender, operator, hardwareClass);

        vault.lock(msg.sender, slotBond);
    }

    /// @inheritdoc IAuditCourt
    function leaveSlot(SlotId slotId) external {
        Slot storage slot = _slots[slotId];

        require(msg.sender == slot.owner, OnlySlotOwner(slot.owner));
        require(slot.activeUntil == 0, SlotNotActive(slotId));

        _retire(slotId, slot);
    }

    /// @inheritdoc IAuditCourt
    function releaseSlot(SlotId slotId) external nonReentrant {
        Slot storage slot = _slots[slotId];
        address owner = slot.owner;
        uint40 readyAt = (slot.activeUntil == 0 ? _now() : slot.activeUntil) + _slotExitDelay;
        uint256 left = _bonds[slotId].left;

        require(msg.sender == owner, OnlySlotOwner(owner));
        require(_now() >= readyAt, ExitDelayRunning(readyAt, _now()));
        require(slot.cases == 0, SlotBusy(slot.cases));

        _benches[slot.hardwareClass].vacant.push(slot.index);
        delete _slots[slotId];
        delete _bonds[slotId];

        emit SlotReleased(slotId);

        vault.unlock(owner, left);
    }

    /// @dev Gives the slot a position on the bench and counts its owner.
    function _sit(Seats storage bench, SlotId slotId) private returns (uint64 index) {
        if (bench.vacant.length > 0) {
            index = bench.vacant[bench.vacant.length - 1];
            bench.vacant.pop();
            bench.slots[index] = slotId;
        } else {
            index = uint64(bench.slots.length);
            bench.slots.push(slotId);
            bench.lengths.push(_now(), uint208(index + 1));
        }
        if (bench.activeSlots[msg.sender]++ == 0) ++bench.owners;
    }

    /// @dev No draw for a later commitment takes the slot; it keeps its position until it is released.
    function _retire(SlotId slotId, Slot storage slot) private {
        Seats storage bench = _benches[slot.hardwareClass];

        slot.activeUntil = _now();
        if (--bench.activeSlots[slot.owner] == 0) --bench.owners;

        emit SlotLeft(slotId, slot.activeUntil);
    }

    /* DRAWS */

    /// @dev The bench as it was when the round began: who joins or leaves later moves no draw.
    function _benchLength(uint16 hardwareClass, uint40 since) internal view returns (uint256) {
        return _benches[hardwareClass].lengths.upperLookupRecent(since);
    }

    function _slotAt(uint16 hardwareClass, uint256 position) internal view returns (SlotId) {
        return _benches[hardwareClass].slots[position];
    }

    function _isEligible(SlotId slotId, uint40 since, uint256 fee, AuditTerms memory terms) internal view returns (bool) {
        Slot storage slot = _slots[slotId];
        bool wasActive = slot.owner != address(0) && slot.activeFrom <= since
            && (slot.activeUntil == 0 || slot.activeUntil > since);
        if (!wasActive || slot.cases >= MAX_CASES) return false;
        if (_bonds[slotId].left - _bonds[slotId].reserved < WRONG_FEES * fee) return false;
        return !_sharesKey(slot, terms.buyer, terms.buyer) && !_sharesKey(slot, terms.seller, terms.seller);
    }

    function _sharesSlot(Slot storage slot, SlotId drawn) internal view returns (bool) {
        return SlotId.unwrap(drawn) != 0 && _sharesKey(slot, _slots[drawn].owner, _slots[drawn].operator);
    }

    function _sharesKey(Slot storage slot, address owner, address operator) private view returns (bool) {
        return slot.owner == owner || slot.owner == operator || slot.operator == owner || slot.operator == operator;
    }

    /* BONDS */

    function _assign(SlotId slotId, uint256 fee) internal {
        ++_slots[slotId].cases;
        _bonds[slotId].reserved += uint128(WRONG_FEES * fee);
    }

    function _dismiss(SlotId slotId, uint256 fee) internal {
        --_slots[slotId].cases;
        _bonds[slotId].reserved -= uint128(WRONG_FEES * fee);
    }

    /// @dev One fee and a strike; nobody is late where nobody was drawn.
    function _penaliseLate(JobId jobId, SlotId slotId, uint256 fee) internal returns (uint256) {
        if (SlotId.unwrap(slotId) == 0) return 0;
        ++_slots[slotId].strikes;
        return _penalise(jobId, slotId, fee, fee);
    }

    /// @dev Ends an assignment and sends a part of the slot's bond to the escrow. A slot that was late three times, or has less
    /// than half of its bond left, is suspended: it must not count as a judge that `canJudge` promises.
    function _penalise(JobId jobId, SlotId slotId, uint256 fee, uint256 amount) internal returns (uint256) {
        Slot storage slot = _slots[slotId];

        _dismiss(slotId, fee);
        uint256 left = _bonds[slotId].left -= uint128(amount);
        bool isUnfit = slot.strikes >= MAX_STRIKES || 2 * left < slotBond;
        if (isUnfit && slot.activeUntil == 0) _retire(slotId, slot);

        emit JudgePenalised(jobId, slotId, amount);

        vault.slash(slot.owner, amount, auditable);
        return amount;
    }

    /* VIEWS */

    /// @inheritdoc IAuditCourt
    function slotOf(SlotId slotId) external view returns (Slot memory) {
        return _slots[slotId];
    }

    /// @inheritdoc IAuditCourt
    function bondOf(SlotId slotId) external view returns (uint256 left, uint256 reserved) {
        return (_bonds[slotId].left, _bonds[slotId].reserved);
    }

    /// @inheritdoc IAuditCourt
    function ownersOf(uint16 hardwareClass) external view returns (uint32) {
        return _benches[hardwareClass].owners;
    }

    /// @inheritdoc IAuditCourt
    function canJudge(uint16 hardwareClass, address buyer, address seller, uint256 fee) external view returns (bool) {
        Seats storage bench = _benches[hardwareClass];
        uint256 owners = bench.owners;
        if (bench.activeSlots[buyer] > 0) --owners;
        if (seller != buyer && bench.activeSlots[seller] > 0) --owners;
        return owners >= MIN_OWNERS && slotBond >= MAX_CASES * WRONG_FEES * fee;
    }

    function _now() internal view returns (uint40) {
        return uint40(block.timestamp);
    }
}
