// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {AuditCourt} from "../../contracts/AuditCourt.sol";
import {Ballots} from "../../contracts/Ballots.sol";
import {Beacon} from "../../contracts/Beacon.sol";
import {JobEscrow} from "../../contracts/JobEscrow.sol";
import {JudgeBench} from "../../contracts/JudgeBench.sol";
import {Reputation} from "../../contracts/Reputation.sol";
import {StakeVault} from "../../contracts/StakeVault.sol";
import {Epoch} from "../../contracts/interfaces/IBeacon.sol";
import {
    BallotParameters,
    CourtParameters,
    EscrowParameters,
    FallbackParameters
} from "../../contracts/interfaces/Parameters.sol";
import {MarketToken} from "./MarketToken.sol";
import {cheats} from "./MarketVm.sol";
import {Handler} from "./Suite.sol";
import {vm} from "./Vm.sol";

/// @title The whole market, deployed in its line with the parameters of production, and the people in it.
abstract contract MarketWorld is Handler {
    uint256 internal constant TOKEN = 1e18;
    uint256 internal constant FEE_MIN = TOKEN / 50;
    uint40 internal constant SEED_DELAY = 60;
    uint40 internal constant AUDIT_WINDOW = 1 days;
    uint40 internal constant JUDGE_SECONDS = 4 hours;
    uint40 internal constant SEAL_SECONDS = 2 hours;
    uint24 internal constant MAX_SEGMENT_SECONDS = 2 hours;
    uint64 internal constant EPOCH_SECONDS = 60;
    uint64 internal constant GENESIS = 1_727_521_075;
    uint40 internal constant PATIENCE = 1 days;
    uint40 internal constant FALLBACK_SECONDS = 2 hours;
    uint16 internal constant CLASS = 7;
    uint16 internal constant POOR_CLASS = 8; // has too few judges
    uint256 internal constant BUYERS = 4;
    uint256 internal constant SELLERS = 5;
    uint256 internal constant CHALLENGERS = 3;
    uint256 internal constant JUDGES = 28; // as many as a case may need: 1 + 3 + 7 + 15, and two
    address internal constant STRANGER = address(0x577A);
    address internal constant DEAD = address(0xdEaD);
    uint256 private constant SECRET = 0x5EED;
    address private constant CURVE_MULTIPLY = address(7);

    MarketToken public immutable token;
    StakeVault public immutable vault;
    Beacon public immutable beacon;
    JudgeBench public immutable bench;
    Ballots public immutable ballots;
    AuditCourt public immutable court;
    Reputation public immutable reputation;
    JobEscrow public immutable escrow;

    constructor() {
        vm.warp(1_800_000_000);
        token = new MarketToken();
        vault = new StakeVault(address(token), 1 hours);
        beacon = new Beacon(
            _key(), GENESIS, 3, 20, JudgeBench(_at(4)), FallbackParameters(PATIENCE, FALLBACK_SECONDS, FALLBACK_SECONDS)
        );
        bench = new JudgeBench(vault, _at(6), _at(5), JobEscrow(_at(8)), 500 * TOKEN, 7 days);
        ballots = new Ballots(
            beacon,
            bench,
            AuditCourt(_at(6)),
            JobEscrow(_at(8)),
            BallotParameters(SEAL_SECONDS, 2 hours, 1 days, SEED_DELAY)
        );
        court = new AuditCourt(
            beacon, bench, ballots, JobEscrow(_at(8)), CourtParameters(JUDGE_SECONDS, 1 days, MAX_SEGMENT_SECONDS)
        );
        reputation = new Reputation(_at(8), uint80(100 * TOKEN));
        escrow = new JobEscrow(
            JobEscrow.Contracts(IERC20(address(token)), vault, beacon, bench, court, reputation),
            EscrowParameters(
                uint96(TOKEN / 10), uint96(FEE_MIN), SEED_DELAY, AUDIT_WINDOW, 72 hours, MAX_SEGMENT_SECONDS, 1024
            )
        );
        _settleIn();
    }

    /// @dev The address of this contract's creation number `nonce`.
    function _at(uint256 nonce) private view returns (address) {
        return cheats.computeCreateAddress(address(this), nonce);
    }

    /// @dev The public words of the secret, as swarm.chain.drand_signer.TestKey computes them.
    function _key() private pure returns (uint256[4] memory) {
        return [
            0x2b62803b5e2a53620b84e0c4d67574a229f9d8711a9e56547be9558b67122ac9,
            0x0dda775f7b48ae798240611aafb90bb5cd0a57c5c6a862afa7dbe2774470c25e,
            0x21ccfb4428a75047035f750f3f819fe93961a899a8ab13aff184fec9ab1b34fc,
            0x1216ab3e64ed2e8c1994ab566ccf6641fb10067610ecdd49c7197c769c44e937
        ];
    }

    /* PEOPLE */

    function buyer(uint256 i) public pure returns (address) {
        return address(uint160(0xB000 + i % BUYERS));
    }

    function seller(uint256 i) public pure returns (address) {
        return address(uint160(0x5E00 + i % SELLERS));
    }

    function challenger(uint256 i) public pure returns (address) {
        return address(uint160(0xC400 + i % CHALLENGERS));
    }

    function judge(uint256 i) public pure returns (address) {
        return address(uint160(0x1D00 + i % JUDGES));
    }

    /// @notice Everybody with money: buyers, sellers, challengers, judges.
    function everybody() public pure returns (address[] memory all) {
        all = new address[](BUYERS + SELLERS + CHALLENGERS + JUDGES);
        uint256 n;
        for (uint256 i; i < BUYERS; ++i) all[n++] = buyer(i);
        for (uint256 i; i < SELLERS; ++i) all[n++] = seller(i);
        for (uint256 i; i < CHALLENGERS; ++i) all[n++] = challenger(i);
        for (uint256 i; i < JUDGES; ++i) all[n++] = judge(i);
    }

    function _isBuyer(address who) internal pure returns (bool) {
        return uint160(who) >= 0xB000 && uint160(who) < 0xB000 + BUYERS;
    }

    function _settleIn() private {
        address[] memory all = everybody();
        for (uint256 i; i < all.length; ++i) {
            token.mint(all[i], 1e30);
            _as(all[i], address(token), abi.encodeCall(token.approve, (address(vault), type(uint256).max)));
            _as(all[i], address(token), abi.encodeCall(token.approve, (address(escrow), type(uint256).max)));
        }
        for (uint256 i; i < SELLERS; ++i) {
            _as(seller(i), address(vault), abi.encodeCall(vault.deposit, (seller(i), 20_000 * TOKEN)));
            _as(seller(i), address(vault), abi.encodeCall(vault.authorise, (address(escrow))));
        }
        // One seller's machine has a key of its own, and its money goes elsewhere.
        _as(seller(1), address(vault), abi.encodeCall(vault.setKeys, (address(0x5E11), address(0x5E12))));
        for (uint256 i; i < JUDGES; ++i) {
            _as(judge(i), address(vault), abi.encodeCall(vault.deposit, (judge(i), 2_500 * TOKEN)));
            _as(judge(i), address(vault), abi.encodeCall(vault.authorise, (address(bench))));
            _as(judge(i), address(bench), abi.encodeCall(bench.takeSlot, (CLASS, _keyOf(i))));
        }
        // Two parties who judge as well.
        _as(seller(4), address(vault), abi.encodeCall(vault.authorise, (address(bench))));
        _as(seller(4), address(bench), abi.encodeCall(bench.takeSlot, (CLASS, seller(4))));
        _as(judge(0), address(bench), abi.encodeCall(bench.takeSlot, (POOR_CLASS, judge(0))));
        vm.warp(block.timestamp + 1);
    }

    /// @dev Half of the judges speak by another key; one of them is a buyer.
    function _keyOf(uint256 i) private pure returns (address) {
        if (i == JUDGES - 1) return buyer(3);
        return i % 2 == 0 ? judge(i) : address(uint160(0x2D00 + i));
    }

    function _as(address who, address where, bytes memory call_) private {
        (bool success, bytes memory reason) = _try(who, where, call_);
        vm.assertTrue(success, string.concat("setting up: ", string(reason)));
    }

    /* RANDOMNESS */

    function _signature(Epoch epoch) internal view returns (uint256[2] memory signature) {
        uint256[2] memory point = beacon.messagePoint(beacon.roundOf(epoch));
        (bool success, bytes memory result) = CURVE_MULTIPLY.staticcall(abi.encode(point[0], point[1], SECRET));
        assert(success);
        signature = abi.decode(result, (uint256[2]));
    }

    function _now() internal view returns (uint40) {
        return uint40(block.timestamp);
    }
}
