// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {IAuditable} from "./interfaces/IAuditable.sol";
import {IJudgeBench} from "./interfaces/IJudgeBench.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {JobId, SlotId} from "./interfaces/Types.sol";
import {Draw} from "./libraries/Draw.sol";
import {WRONG_FEES} from "./libraries/Fees.sol";

/// @title Judges' seats: who may be drawn, and the bond behind each seat.
/// @dev Invariant: for every slot, reserved = 5 F for each of its live assignments ≤ bond left ≤ the owner's stake locked
/// here. A case takes at most what was reserved for it, so nothing is promised twice.
contract JudgeBench is IJudgeBench, ReentrancyGuardTransient {
    using Checkpoints for Checkpoints.Trace208;

    uint256 private constant MAX_STRIKES = 3;
    uint256 private constant MAX_CASES = 4;
    uint256 private constant MIN_OWNERS = 4; // one to be drawn, three for a committee
    uint256 private constant MAX_PROBES = 64; // of one call

    /// @notice All slots of one hardware class. Positions are only ever added; one that was released may be taken anew, by a
    /// slot too young for the draws that could have met the old one: the bench does not grow with history.
    struct Seats {
        SlotId[] slots;
        uint64[] vacant;
        Checkpoints.Trace208 lengths;
        uint32 owners;
        mapping(address owner => uint32 slots) activeSlots;
    }

    /// @dev The keys of everybody who has a part in a case: `list` is filled up to `count`.
    struct Keys {
        address[] list;
        uint256 count;
    }

    IStakeVault public immutable vault;
    /// @inheritdoc IJudgeBench
    address public immutable court;
    /// @inheritdoc IJudgeBench
    address public immutable ballots;
    /// @notice Where penalties go, and where the fees of judges lie.
    IAuditable public immutable treasury;
    /// @inheritdoc IJudgeBench
    uint256 public immutable slotBond;
    /// @inheritdoc IJudgeBench
    uint40 public immutable slotExitDelay;

    /// @inheritdoc IJudgeBench
    uint32 public slotCount;
    mapping(SlotId slotId => Slot) private _slots;
    mapping(SlotId slotId => Bond) private _bonds;
    mapping(uint16 hardwareClass => Seats) private _benches;

    modifier onlyCourt() {
        require(msg.sender == court || msg.sender == ballots, OnlyTheCourts(court, ballots));
        _;
    }

    /// @param court_ The address the court will be created at.
    /// @param ballots_ The address the ballots will be created at.
    /// @param treasury_ The address the escrow will be created at.
    constructor(
        IStakeVault vault_,
        address court_,
        address ballots_,
        IAuditable treasury_,
        uint256 slotBond_,
        uint40 slotExitDelay_
    ) {
        assert(slotBond_ <= type(uint80).max);
        (vault, court, ballots, treasury) = (vault_, court_, ballots_, treasury_);
        (slotBond, slotExitDelay) = (slotBond_, slotExitDelay_);
    }

    /* SEATS */

    /// @inheritdoc IJudgeBench
    function takeSlot(uint16 hardwareClass, address operator) external nonReentrant returns (SlotId slotId) {
        require(operator != address(0), ZeroOperator());

        slotId = SlotId.wrap(++slotCount);
        Slot storage slot = _slots[slotId];
        (slot.owner, slot.operator, slot.hardwareClass) = (msg.sender, operator, hardwareClass);
        slot.activeFrom = _now();
        slot.index = _sit(_benches[hardwareClass], slotId);
        _bonds[slotId].left = uint80(slotBond);

        emit SlotTaken(slotId, msg.sender, operator, hardwareClass);

        vault.lock(msg.sender, slotBond);
    }

    /// @inheritdoc IJudgeBench
    function leaveSlot(SlotId slotId) external {
        Slot storage slot = _slots[slotId];

        require(msg.sender == slot.owner, OnlySlotOwner(slot.owner));
        require(slot.activeUntil == 0, SlotNotActive(slotId));

        _retire(slotId, slot);
    }

    /// @inheritdoc IJudgeBench
    function releaseSlot(SlotId slotId) external nonReentrant {
        Slot storage slot = _slots[slotId];
        address owner = slot.owner;
        uint40 readyAt = (slot.activeUntil == 0 ? _now() : slot.activeUntil) + slotExitDelay;
        Bond memory bond = _bonds[slotId];

        require(msg.sender == owner, OnlySlotOwner(owner));
        require(_now() >= readyAt, ExitDelayRunning(readyAt, _now()));
        require(bond.cases == 0, SlotBusy(bond.cases));

        _benches[slot.hardwareClass].vacant.push(slot.index);
        delete _slots[slotId];
        delete _bonds[slotId];

        emit SlotReleased(slotId);

        vault.unlock(owner, bond.left);
        if (bond.earned > 0) _payOut(slotId, owner, bond.earned);
    }

    /// @inheritdoc IJudgeBench
    function collect(SlotId slotId) external nonReentrant {
        uint256 amount = _bonds[slotId].earned;

        require(amount > 0, NothingEarned(slotId));

        _bonds[slotId].earned = 0;
        _payOut(slotId, _slots[slotId].owner, amount);
    }

    function _payOut(SlotId slotId, address owner, uint256 amount) private {
        emit FeesCollected(slotId, owner, amount);

        treasury.payJudge(owner, amount);
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

    /// @inheritdoc IJudgeBench
    function draw(Walk calldata walk, SlotId[] calldata taken)
        external
        onlyCourt
        returns (SlotId[] memory found, uint256 probe)
    {
        Seats storage bench = _benches[walk.hardwareClass];
        // The bench as it was when the round began: who joins or leaves later moves no draw.
        uint256 count = _lengthAt(bench, walk.since);
        uint256 end = walk.probe + MAX_PROBES;
        Keys memory keys = _keysOf(walk, taken);
        SlotId[] memory drawn = new SlotId[](walk.wanted);
        uint256 filled;
        for (probe = walk.probe; filled < walk.wanted && probe < end && count > 0; ++probe) {
            SlotId candidate = bench.slots[Draw.position(walk.seed, walk.jobId, walk.round, probe, count)];
            if (!_tryAssign(candidate, walk, keys)) continue;
            drawn[filled++] = candidate;
        }
        found = new SlotId[](filled);
        for (uint256 i; i < filled; ++i) found[i] = drawn[i];
    }

    /// @dev Nobody has come since in nearly every draw: then one look is enough.
    function _lengthAt(Seats storage bench, uint40 time) private view returns (uint256) {
        (, uint48 changedAt, uint208 length) = bench.lengths.latestCheckpoint();
        return changedAt <= time ? length : bench.lengths.upperLookupRecent(time);
    }

    /// @inheritdoc IJudgeBench
    function enlist(SlotId slotId, Walk calldata walk, SlotId[] calldata taken) external onlyCourt {
        bool isOfClass = _slots[slotId].hardwareClass == walk.hardwareClass;
        require(isOfClass && _tryAssign(slotId, walk, _keysOf(walk, taken)), SlotNotEligible(slotId));
    }

    /// @dev Assigns the slot if it was active, has a free hand and enough unreserved bond, and shares no key with anybody of the case.
    function _tryAssign(SlotId slotId, Walk calldata walk, Keys memory keys) private returns (bool) {
        Slot storage slot = _slots[slotId];
        (address owner, uint40 activeUntil) = (slot.owner, slot.activeUntil);
        bool wasActive = owner != address(0) && slot.activeFrom <= walk.since
            && (activeUntil == 0 || activeUntil > walk.since);
        if (!wasActive) return false;
        address operator = slot.operator;
        if (_has(keys, owner, operator)) return false;
        Bond memory bond = _bonds[slotId];
        uint256 reserve = WRONG_FEES * walk.fee;
        if (bond.cases >= MAX_CASES || bond.left - bond.reserved < reserve) return false;

        (bond.reserved, bond.cases) = (bond.reserved + uint80(reserve), bond.cases + 1);
        _bonds[slotId] = bond;
        _add(keys, owner, operator);
        return true;
    }

    /// @dev Keys of the parties and of everybody drawn for the case so far, with room for those this walk will find.
    function _keysOf(Walk calldata walk, SlotId[] calldata taken) private view returns (Keys memory keys) {
        keys.list = new address[](2 * (1 + taken.length + walk.wanted + 1));
        _add(keys, walk.buyer, walk.seller);
        for (uint256 i; i < taken.length; ++i) {
            if (SlotId.unwrap(taken[i]) != 0) _add(keys, _slots[taken[i]].owner, _slots[taken[i]].operator);
        }
    }

    function _add(Keys memory keys, address one, address other) private pure {
        keys.list[keys.count++] = one;
        if (other != one) keys.list[keys.count++] = other;
    }

    function _has(Keys memory keys, address one, address other) private pure returns (bool) {
        (address[] memory list, uint256 count) = (keys.list, keys.count);
        for (uint256 i; i < count; ++i) {
            address key = list[i];
            if (key == one || key == other) return true;
        }
        return false;
    }

    /* BONDS */

    /// @inheritdoc IJudgeBench
    function dismiss(SlotId[] calldata judges, uint256 fee) external onlyCourt {
        for (uint256 i; i < judges.length; ++i) _dismiss(judges[i], fee);
    }

    /// @inheritdoc IJudgeBench
    function penalise(JobId jobId, SlotId slotId, uint256 fee, uint256 amount, bool isLate)
        external
        onlyCourt
        nonReentrant
        returns (uint256)
    {
        _dismiss(slotId, fee);
        Slot storage slot = _slots[slotId];
        if (isLate) ++slot.strikes;
        uint256 left = _bonds[slotId].left - amount;
        // A slot that was late three times, or has less than half of its bond, must not count as a judge `canJudge` promises.
        bool isUnfit = slot.strikes >= MAX_STRIKES || 2 * left < slotBond;
        if (isUnfit && slot.activeUntil == 0) _retire(slotId, slot);

        _take(jobId, slotId, amount);
        return amount;
    }

    /// @inheritdoc IJudgeBench
    function suspend(JobId jobId, SlotId slotId, uint256 amount) external onlyCourt nonReentrant returns (uint256 taken) {
        Slot storage slot = _slots[slotId];
        uint256 free = _bonds[slotId].left - _bonds[slotId].reserved;
        taken = amount < free ? amount : free;
        if (slot.owner != address(0) && slot.activeUntil == 0) _retire(slotId, slot);

        if (taken > 0) _take(jobId, slotId, taken);
    }

    function _dismiss(SlotId slotId, uint256 fee) private {
        Bond memory bond = _bonds[slotId];
        (bond.reserved, bond.cases) = (bond.reserved - uint80(WRONG_FEES * fee), bond.cases - 1);
        _bonds[slotId] = bond;
    }

    function _take(JobId jobId, SlotId slotId, uint256 amount) private {
        _bonds[slotId].left -= uint80(amount);

        emit JudgePenalised(jobId, slotId, amount);

        vault.slash(_slots[slotId].owner, amount, address(treasury));
    }

    /* FEES */

    /// @inheritdoc IJudgeBench
    function reward(JobId jobId, SlotId[] calldata judges, uint256 first, uint256 each) external {
        require(msg.sender == address(treasury), OnlyTheTreasury(address(treasury)));
        for (uint256 i; i < judges.length; ++i) {
            Bond storage bond = _bonds[judges[i]];
            uint256 earned = bond.earned + (i == 0 ? first : each);
            // A full account stays full: it must never hold up a ruling.
            bond.earned = uint88(Math.min(earned, type(uint88).max));
        }

        emit FeesEarned(jobId, judges, first, each);
    }

    /* VIEWS */

    /// @inheritdoc IJudgeBench
    function slotOf(SlotId slotId) external view returns (Slot memory) {
        return _slots[slotId];
    }

    /// @inheritdoc IJudgeBench
    function ownerOf(SlotId slotId) external view returns (address) {
        return _slots[slotId].owner;
    }

    /// @inheritdoc IJudgeBench
    function operatorOf(SlotId slotId) external view returns (address) {
        return _slots[slotId].operator;
    }

    /// @inheritdoc IJudgeBench
    function bondOf(SlotId slotId) external view returns (Bond memory) {
        return _bonds[slotId];
    }

    /// @inheritdoc IJudgeBench
    function isActive(SlotId slotId) external view returns (bool) {
        return _slots[slotId].owner != address(0) && _slots[slotId].activeUntil == 0;
    }

    /// @inheritdoc IJudgeBench
    function ownersOf(uint16 hardwareClass) external view returns (uint32) {
        return _benches[hardwareClass].owners;
    }

    /// @inheritdoc IJudgeBench
    function canJudge(uint16 hardwareClass, address buyer, address seller, uint256 fee) external view returns (bool) {
        Seats storage bench = _benches[hardwareClass];
        uint256 owners = bench.owners;
        if (slotBond < MAX_CASES * WRONG_FEES * fee) return false;
        // With two to spare it does not matter whether the parties are judges themselves: the usual case reads one word.
        if (owners >= MIN_OWNERS + 2) return true;
        if (bench.activeSlots[buyer] > 0) --owners;
        if (seller != buyer && bench.activeSlots[seller] > 0) --owners;
        return owners >= MIN_OWNERS;
    }

    function _now() private view returns (uint40) {
        return uint40(block.timestamp);
    }
}
