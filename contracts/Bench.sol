// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {AuditTerms} from "./interfaces/IAuditable.sol";
import {IAuditCourt} from "./interfaces/IAuditCourt.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {JobId, SlotId} from "./interfaces/Types.sol";

/// @title The court's seats: who may be drawn, and the bond behind each seat.
/// @dev A bench per hardware class, positions append-only, so that a draw for an older commitment sees the bench as it was.
/// A released position is taken again by a newcomer, whose `activeFrom` keeps it out of older draws: the bench does not
/// grow with history. Invariant: `atRisk` of a seat = 5 F over its live cases ≤ what is left of its bond.
abstract contract Bench is IAuditCourt {
    using Checkpoints for Checkpoints.Trace208;

    uint256 internal constant MAX_ATTEMPTS = 64;
    uint8 internal constant MAX_CASES = 4;
    uint8 internal constant MAX_STRIKES = 3;
    uint256 internal constant OVERRULED_FEES = 5;
    uint32 internal constant MIN_OWNERS = 4; // one to be drawn, three for a committee

    struct Bond {
        uint128 left;
        uint128 atRisk;
    }

    IStakeVault internal immutable _vault;
    address internal immutable _penaltiesTo;
    uint128 internal immutable _slotBond;
    uint40 internal immutable _slotExitDelay;

    uint32 internal _slotCount;
    mapping(SlotId slotId => Slot) internal _slots;
    mapping(SlotId slotId => Bond) internal _bonds;
    mapping(uint16 hardwareClass => SlotId[]) internal _benches;
    mapping(uint16 hardwareClass => Checkpoints.Trace208) internal _benchSizes;
    mapping(uint16 hardwareClass => uint64[] positions) internal _vacant;
    mapping(uint16 hardwareClass => uint32 count) internal _owners;
    mapping(uint16 hardwareClass => mapping(address owner => uint32 count)) internal _activeSlots;

    constructor(IStakeVault vault_, address penaltiesTo_, uint128 slotBond_, uint40 slotExitDelay_) {
        (_vault, _penaltiesTo, _slotBond, _slotExitDelay) = (vault_, penaltiesTo_, slotBond_, slotExitDelay_);
    }

    /// @inheritdoc IAuditCourt
    function takeSlot(uint16 hardwareClass, address operator) external returns (SlotId slotId) {
        slotId = SlotId.wrap(++_slotCount);
        Slot storage s = _slots[slotId];
        (s.owner, s.operator, s.hardwareClass) = (msg.sender, operator, hardwareClass);
        s.activeFrom = uint40(block.timestamp);
        s.index = _seat(hardwareClass, slotId);
        _bonds[slotId].left = _slotBond;
        if (_activeSlots[hardwareClass][msg.sender]++ == 0) _owners[hardwareClass]++;
        emit SlotTaken(slotId, msg.sender, operator, hardwareClass);
        _vault.lock(msg.sender, _slotBond);
    }

    /// @inheritdoc IAuditCourt
    function leaveSlot(SlotId slotId) external {
        require(_slots[slotId].owner == msg.sender, OnlySlotOwner(_slots[slotId].owner));
        require(_isActive(_slots[slotId]), SlotNotActive(slotId));
        _leave(slotId);
    }

    /// @inheritdoc IAuditCourt
    function releaseSlot(SlotId slotId) external {
        Slot storage s = _slots[slotId];
        require(s.owner == msg.sender, OnlySlotOwner(s.owner));
        require(s.activeUntil != 0, ExitDelayRunning(type(uint40).max, uint40(block.timestamp)));
        uint40 readyAt = s.activeUntil + _slotExitDelay;
        require(block.timestamp >= readyAt, ExitDelayRunning(readyAt, uint40(block.timestamp)));
        require(s.cases == 0, SlotBusy(s.cases));

        uint256 bond = _bonds[slotId].left;
        _vacant[s.hardwareClass].push(s.index);
        delete _slots[slotId];
        delete _bonds[slotId];
        emit SlotReleased(slotId);
        _vault.unlock(msg.sender, bond);
    }

    /* VIEWS */

    /// @inheritdoc IAuditCourt
    function slotBond() external view returns (uint256) {
        return _slotBond;
    }

    /// @inheritdoc IAuditCourt
    function slotOf(SlotId slotId) external view returns (Slot memory) {
        return _slots[slotId];
    }

    /// @inheritdoc IAuditCourt
    function slotCount() external view returns (uint32) {
        return _slotCount;
    }

    /// @inheritdoc IAuditCourt
    function ownersOf(uint16 hardwareClass) external view returns (uint32) {
        return _owners[hardwareClass];
    }

    /// @inheritdoc IAuditCourt
    function canJudge(uint16 hardwareClass, address buyer, address seller, uint256 fee) external view returns (bool) {
        uint32 parties = _isOwner(hardwareClass, buyer) + _isOwner(hardwareClass, seller);
        bool covered = _slotBond >= MAX_CASES * OVERRULED_FEES * fee;
        return covered && _owners[hardwareClass] >= MIN_OWNERS + parties;
    }

    /* DRAWN SEATS */

    function _benchSizeAt(uint16 hardwareClass, uint40 since) internal view returns (uint256) {
        return _benchSizes[hardwareClass].upperLookupRecent(uint48(since) - 1);
    }

    /// @dev Strictly before `since`: what joins in the commitment's own block is too late.
    function _isEligible(
        SlotId slotId,
        uint40 since,
        uint96 fee,
        AuditTerms memory terms
    ) internal view returns (bool) {
        Slot storage s = _slots[slotId];
        bool wasActive = s.activeFrom != 0 && s.activeFrom < since && (s.activeUntil == 0 || s.activeUntil > since);
        bool isParty = s.owner == terms.buyer || s.owner == terms.seller || s.operator == terms.buyer
            || s.operator == terms.seller;
        Bond storage bond = _bonds[slotId];
        return wasActive && !isParty && s.cases < MAX_CASES && bond.left >= bond.atRisk + OVERRULED_FEES * fee;
    }

    function _assign(SlotId slotId, uint96 fee) internal {
        _slots[slotId].cases++;
        _bonds[slotId].atRisk += uint128(OVERRULED_FEES * fee);
    }

    function _release(SlotId slotId, uint96 fee) internal {
        if (SlotId.unwrap(slotId) == 0) return;
        _slots[slotId].cases--;
        _bonds[slotId].atRisk -= uint128(OVERRULED_FEES * fee);
    }

    /// @dev For silence: `fees` fees and a strike; the third suspends the seat.
    function _dismiss(JobId jobId, SlotId slotId, uint96 fee, uint256 fees) internal returns (uint256 taken) {
        if (SlotId.unwrap(slotId) == 0) return 0;
        _release(slotId, fee);
        Slot storage s = _slots[slotId];
        s.strikes++;
        if (s.strikes >= MAX_STRIKES && _isActive(s)) _leave(slotId);
        return _take(jobId, slotId, fees * fee);
    }

    /// @dev For a finding that the committee's majority contradicts.
    function _overrule(JobId jobId, SlotId slotId, uint96 fee) internal returns (uint256 taken) {
        _release(slotId, fee);
        return _take(jobId, slotId, OVERRULED_FEES * fee);
    }

    function _take(JobId jobId, SlotId slotId, uint256 amount) private returns (uint256) {
        _bonds[slotId].left -= uint128(amount);
        emit JudgePenalised(jobId, slotId, amount);
        _vault.slash(_slots[slotId].owner, amount, _penaltiesTo);
        return amount;
    }

    function _seat(uint16 hardwareClass, SlotId slotId) private returns (uint64 position) {
        SlotId[] storage bench = _benches[hardwareClass];
        uint64[] storage vacant = _vacant[hardwareClass];
        if (vacant.length > 0) {
            position = vacant[vacant.length - 1];
            vacant.pop();
            bench[position] = slotId;
        } else {
            position = uint64(bench.length);
            bench.push(slotId);
            _benchSizes[hardwareClass].push(uint48(block.timestamp), uint208(bench.length));
        }
    }

    function _leave(SlotId slotId) internal {
        Slot storage s = _slots[slotId];
        s.activeUntil = uint40(block.timestamp);
        if (--_activeSlots[s.hardwareClass][s.owner] == 0) _owners[s.hardwareClass]--;
        emit SlotLeft(slotId, s.activeUntil);
    }

    function _isActive(Slot storage s) internal view returns (bool) {
        return s.activeFrom != 0 && s.activeUntil == 0;
    }

    function _isOwner(uint16 hardwareClass, address account) private view returns (uint32) {
        return _activeSlots[hardwareClass][account] > 0 ? 1 : 0;
    }
}
