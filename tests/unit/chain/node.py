# SPDX-License-Identifier: Apache-2.0
"""A node in memory, below web3: blocks, logs and views as JSON-RPC would give them. It counts what it is asked."""

from __future__ import annotations

from collections import Counter
from typing import Any

from eth_abi import encode
from eth_utils import keccak
from web3.providers.base import JSONBaseProvider

from swarm.chain import artifacts
from swarm.chain.jobs import state_hash, terms_hash
from swarm.chain.network import Chain, Network
from swarm.protocol import history
from swarm.protocol.types import Address, Job

ADDRESSES = {
    name: Address("0x" + f"{number:02x}" * 20)
    for number, name in enumerate(
        ("token", "vault", "beacon", "bench", "ballots", "court", "reputation", "escrow"), start=0x11
    )
}
NETWORK = Network(chain_id=31337, rpc_url="http://127.0.0.1:9", **ADDRESSES)


class FakeNode(JSONBaseProvider):
    """One block a call of `mine`; `post` puts a job on the chain. Every view that is not a job's answers zero."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.requests = 0
        self.blocks: list[list[dict]] = [[]]
        self.branch = 0
        self.jobs: dict[int, Job] = {}
        self._views = {
            _selector("JobEscrow", "stateOf"): self._state_of,
            _selector("JobEscrow", "jobCount"): self._count,
        }

    def chain(self) -> Chain:
        chain = Chain(NETWORK)
        chain.client.web3.provider = self
        return chain

    def mine(self, *logs: dict) -> None:
        self.blocks.append(list(logs))

    def post(self, arguments: dict, terms: Any) -> None:
        job = history.posted(terms_hash(terms), arguments)
        self.jobs[job.job_id] = job
        self.mine(posted_log(arguments, terms))

    def make_request(self, method: Any, params: Any) -> Any:
        self.requests += 1
        return self._answer(method, params)

    def make_batch_request(self, batch_requests: list) -> list:
        self.requests += 1
        return [self._answer(method, params) for method, params in batch_requests]

    def _answer(self, method: Any, params: Any) -> dict:
        self.calls[method] += 1
        return {"jsonrpc": "2.0", "id": 1, "result": getattr(self, f"_{method}")(*params)}

    def _eth_getBlockByNumber(self, wanted: str, *_: Any) -> dict:
        number = len(self.blocks) - 1 if wanted == "latest" else int(wanted, 16)
        return {"number": hex(number), "hash": self._hash(number), "timestamp": hex(1_000 + number), "extraData": "0x"}

    def _eth_blockNumber(self) -> str:
        return hex(len(self.blocks) - 1)

    def _eth_getLogs(self, wanted: dict) -> list[dict]:
        first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
        found = ((number, log) for number in range(first, last + 1) for log in self.blocks[number])
        place = {"transactionHash": "0x" + "00" * 32, "transactionIndex": "0x0", "logIndex": "0x0"}
        return [log | place | {"blockNumber": hex(number), "blockHash": self._hash(number)} for number, log in found]

    def _eth_getBalance(self, *_: Any) -> str:
        return hex(10**18)

    def _eth_gasPrice(self) -> str:
        return hex(10**9)

    def _eth_call(self, transaction: dict, *_: Any) -> str:
        data = bytes.fromhex(transaction["data"][2:])
        view = self._views.get(data[:4])
        return "0x" + (view(data[4:]) if view else bytes(32 * 16)).hex()

    def _state_of(self, data: bytes) -> bytes:
        job = self.jobs.get(int.from_bytes(data))
        return state_hash(job) if job else bytes(32)

    def _count(self, _: bytes) -> bytes:
        return len(self.jobs).to_bytes(32)

    def _hash(self, number: int) -> str:
        return "0x" + keccak(text=f"{self.branch} {number}").hex()


def posted_log(arguments: dict, terms: Any) -> dict:
    """`JobPosted` as a node gives it."""
    signature, entry = next(pair for pair in artifacts.entries("event").items() if pair[1]["name"] == "JobPosted")
    types = [artifacts.canonical(item) for item in entry["inputs"] if not item["indexed"]]
    data = encode(types, [terms.values(), arguments["held"], arguments["openUntil"]])
    words = [keccak(text=signature), arguments["jobId"].to_bytes(32), bytes(12) + bytes.fromhex(arguments["buyer"][2:])]
    return {"address": ADDRESSES["escrow"], "topics": ["0x" + word.hex() for word in words], "data": "0x" + data.hex()}


def _selector(contract: str, function: str) -> bytes:
    entry = next(each for each in artifacts.abi(contract) if each.get("name") == function)
    return keccak(text=f"{function}({','.join(artifacts.canonical(item) for item in entry['inputs'])})")[:4]
