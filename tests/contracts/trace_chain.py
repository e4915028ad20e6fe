# SPDX-License-Identifier: Apache-2.0
"""The deployed contracts and their twin, driven together: after every call both must say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from eth_abi import encode
from eth_utils import keccak, to_checksum_address
from rpc import GAS_LIMIT, encode_words
from trace_reads import Reader
from world import EVIDENCE, KEY, World

from swarm.protocol.commitment import sha256, word
from swarm.protocol.lifecycle import DonePart, Market, Refused
from swarm.protocol.types import Digest, Epoch, Job, Terms

FALLBACK = "beacon.store_fallback"  # of the twin only: on chain it takes the steps that test_beacon.py tells
NOT_SIGNED = (1, 2)  # the generator of the curve: a point, but nobody's signature of a round


class Disagreement(AssertionError):
    """Contracts and twin do not say the same."""


@dataclass(frozen=True)
class Call:
    """One call of a trace: all it needs to be made again."""

    verb: str  # part.method of the twin
    caller: str
    arguments: tuple
    at: int  # the block's time


def _job(job: Job) -> tuple:
    return job.job_id, job.state()


def _full(job: Job) -> tuple:
    return *_job(job), job.terms.values()


def _part(job: Job, part: DonePart) -> tuple:
    done = (part.result_cid, part.segment_root, part.done)
    return *_full(job), done, (part.last_digest, part.last_output_cid, list(part.proof))


# What the contract's function takes, from what the twin's verb takes; a verb that is not named takes the same.
TRANSLATED: dict[str, Callable[..., tuple]] = {
    "escrow.post": lambda terms: (terms.values(),),
    "escrow.post_many": lambda terms, cids: (terms.values(), list(cids)),
    "escrow.cancel": _job,
    "escrow.accept": lambda job, seller, collateral: (*_full(job), seller, collateral),
    "escrow.abort": _job,
    "escrow.submit": lambda job, cid, root: (*_job(job), cid, root),
    "escrow.hand_back": _part,
    "escrow.refund": _job,
    "escrow.open_audit": _full,
    "escrow.settle": _job,
    "court.confirm": lambda job, opening, proof: (*_job(job), opening.values(), list(proof)),
    "court.vouch": lambda job: (*_job(job), EVIDENCE),
    "court.deny": lambda job_id, verdict: (job_id, verdict, EVIDENCE),
    "court.replace_judge": _full,
    "court.volunteer": lambda job, slot_id: (*_full(job), slot_id),
    "court.challenge": lambda job, segment: (*_full(job), segment),
    "court.join_challenge": _job,
    "court.appeal": _job,
    "court.execute": _job,
    "court.expose_canary": lambda job, opening, proof: (*_job(job), opening.values(), list(proof)),
    "ballots.draw_committee": lambda job, round_: (job.job_id, round_, job.state(), job.terms.values()),
    "ballots.reveal": lambda job, round_, seat, opening, cid, salt, proof: (
        *(job.job_id, round_, seat, job.state(), opening.values()),
        *((cid, salt), list(proof)),
    ),
    "ballots.reveal_word": lambda job_id, round_, seat, verdict, cid, salt: (
        job_id,
        round_,
        seat,
        verdict,
        (cid, salt),
    ),
}


def abi_type(item: dict) -> str:
    """The type of an ABI entry as eth_abi writes it."""
    if not item["type"].startswith("tuple"):
        return item["type"]
    return f"({','.join(abi_type(part) for part in item['components'])}){item['type'].removeprefix('tuple')}"


def camel(name: str) -> str:
    """The contract's name of a verb."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


class Chain:
    """Plays calls on contracts and twin. `counts` counts (verb, "" or the refusal)."""

    def __init__(self, world: World, unpayable: tuple[str, ...]) -> None:
        self.world, self.counts = world, Counter()
        self.contracts = {
            name: getattr(world, name)
            for name in ("token", "vault", "beacon", "bench", "ballots", "court", "reputation", "escrow")
        }
        self.functions = {
            (name, entry["name"]): entry
            for name, contract in self.contracts.items()
            for entry in contract.abi
            if entry["type"] == "function"
        }
        at = {contract._name: contract.address for contract in self.contracts.values()}
        self.terms_types = [abi_type(entry) for entry in self._inputs("escrow", "post")]
        self.market = Market(world.params, at=at, hash_terms=self.hash_terms, unpayable=unpayable)
        self.reader = Reader(self.market, self.contracts, world.rpc)
        self.actors: list[str] = []
        self.seeds: dict[Epoch, Digest] = {}
        self._signatures: dict[Digest, tuple[int, int]] = {}

    def actor(self, name: str) -> str:
        """An account of this name, which the chain lets anybody play."""
        address = to_checksum_address(keccak(text=name)[12:])
        self.world.rpc.call("anvil_setBalance", address, hex(10**24))
        self.actors.append(address)
        return address

    def hash_terms(self, terms: Terms) -> Digest:
        return Digest(keccak(encode(self.terms_types, [terms.values()])))

    def seed_of(self, epoch: Epoch) -> Digest:
        """What the seed will be: the test key knows the future, nobody else does."""
        if epoch not in self.seeds:
            beacon = self.contracts["beacon"]
            signature = KEY.sign(tuple(beacon.messagePoint(beacon.roundOf(epoch))))
            seed = sha256(word(signature[0]), word(signature[1]))
            self.seeds[epoch], self._signatures[seed] = seed, signature
        return self.seeds[epoch]

    # playing

    def play(self, call: Call) -> str:
        """Makes the call on both; returns why both refused it, or nothing. Raises Disagreement."""
        refusal = self._on_twin(call)
        if refusal:
            found = refusal if call.verb == FALLBACK else self._refusal_on_chain(call)
            if found != refusal:
                raise Disagreement(f"the twin says {refusal}, the contract {found or 'success'}")
        else:
            self._on_chain(call)
            differences = self.reader.differences(self.actors)
            if differences:
                raise Disagreement("after the call: " + "; ".join(differences))
        self.counts[call.verb, refusal] += 1
        return refusal

    def _on_twin(self, call: Call) -> str:
        part, name = call.verb.split(".")
        try:
            getattr(getattr(self.market, part), name)(call.caller, *call.arguments, now=call.at)
        except Refused as refused:
            return refused.name
        return ""

    def _on_chain(self, call: Call) -> None:
        rpc = self.world.rpc
        if call.verb == FALLBACK:
            self._store_fallback(*call.arguments)
            return
        rpc.next_at(call.at)
        request = self._request(call)
        receipt = rpc.call("eth_sendTransactionSync", request)
        if receipt["status"] != "0x1":
            raise Disagreement(f"the twin says success, the contract {self._refusal_on_chain(call) or 'out of gas'}")

    def _refusal_on_chain(self, call: Call) -> str:
        answer = self.world.rpc.raw("eth_call", self._request(call), "latest", {}, {"time": hex(call.at)})
        if "error" not in answer:
            return ""
        data = answer["error"].get("data") or "0x"
        if data.startswith("0x4e487b71"):
            return "Panic"
        return "TokenRefuses" if data == "0x" else self.world.codec.refusal(data).name

    def _store_fallback(self, epoch: Epoch, seed: Digest) -> None:
        """Puts the seed where the secrets of judges would: `_fallbackSeeds` is the first word of the beacon's
        storage."""
        slot = keccak(encode_words(epoch, 0))
        beacon = self.contracts["beacon"]
        self.world.rpc.call("anvil_setStorageAt", beacon.address, "0x" + slot.hex(), "0x" + seed.hex())
        if tuple(beacon.seedFor(epoch)) != ("0x" + seed.hex(), True):
            raise Disagreement("the seed of the fallback is kept elsewhere")

    def _request(self, call: Call) -> dict:
        part, name = call.verb.split(".")
        if call.verb == "beacon.submit":
            epoch, seed = call.arguments
            arguments = (epoch, self._signatures.get(seed, NOT_SIGNED))
        else:
            arguments = TRANSLATED.get(call.verb, lambda *same: same)(*call.arguments)
        inputs = [abi_type(item) for item in self._inputs(part, camel(name))]
        selector = keccak(text=f"{camel(name)}({','.join(inputs)})")[:4]
        data = "0x" + (selector + encode(inputs, arguments)).hex()
        return {"from": call.caller, "to": self.contracts[part].address, "data": data, "gas": hex(GAS_LIMIT)}

    def _inputs(self, part: str, function: str) -> list[dict]:
        return self.functions[part, function]["inputs"]
