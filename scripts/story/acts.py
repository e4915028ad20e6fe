# SPDX-License-Identifier: Apache-2.0
"""The acts: open the market, sell a fine-tune honestly, cheat once, and look at what everybody has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from scripts.story.narrator import Live, Narrator
from scripts.story.stage import Stage
from swarm.buyer import pull as buyer_pull
from swarm.buyer.offer import Offer, offer, post
from swarm.buyer.prepare import Prepared, prepare
from swarm.chain.network import Chain
from swarm.cli.reading import state_of
from swarm.clock import wait_for
from swarm.errors import SwarmError
from swarm.execution.evaluation import Evaluation, evaluate
from swarm.execution.segments import Sandbox
from swarm.protocol.hardware import class_number
from swarm.protocol.types import Job, JobId, JobStatus
from swarm.storage.embedded import EmbeddedStore
from swarm.units import format_amount, parse_amount
from swarm.workloads.lora.spec import LoraSpec

SELLERS = ("sally", "larry")  # Larry is lazy
JUDGES = ("judith", "jules", "jana", "jorge")
BUYER = "bob"
FAUCET = parse_amount(1000)
SELLER_STAKE = parse_amount(50)
PROMPT = "What happens to the collateral of a seller who cheats?"
END_SECONDS = 900


@dataclass
class Story:
    """What the acts pass on."""

    stage: Stage
    narrator: Narrator
    chain: Chain
    spec: LoraSpec
    files: Path  # the folder with model and datasets, named by the spec
    sandbox: Sandbox
    job_ids: dict[str, JobId] = field(default_factory=dict)
    replays: dict[JobId, list[dict]] = field(default_factory=dict)
    executed: dict[JobId, dict] = field(default_factory=dict)


def open_market(story: Story) -> None:
    """Accounts, faucet, stake, judges' seats; the judges' services start."""
    narrator, stage, chain = story.narrator, story.stage, story.chain
    names = [BUYER, *SELLERS, *JUDGES]
    narrator.act("The market opens")
    with narrator.live("keystores and faucet money") as live:
        live.update(f"{len(names)} people")
        stage.enter(chain, names, FAUCET)
    narrator.say(f"{len(names)} people have keystores and {format_amount(FAUCET)} TOK each from the faucet")
    with narrator.live("stake and judges' seats") as live:
        with ThreadPoolExecutor(len(names)) as pool:  # each waits for its own blocks
            for done in [pool.submit(_settle_in, story, name) for name in (*SELLERS, *JUDGES)]:
                done.result()
                live.update("deposits and seats")
        for name in JUDGES:
            stage.start_judge(name)
    bond = format_amount(chain.bench.slot_bond())
    narrator.say(f"sellers {' and '.join(SELLERS)} deposit {format_amount(SELLER_STAKE)} TOK of stake each")
    narrator.say(f"judges {', '.join(JUDGES)} lock a bond of {bond} TOK each and start `verifier run`")


def _settle_in(story: Story, name: str) -> None:
    role, chain = story.stage.roles[name], story.chain
    if name in SELLERS:
        chain.deposit(role.account, SELLER_STAKE, chain.network.escrow)
    else:
        chain.take_slot(role.account, class_number(story.spec.hardware_class), role.address)


def buy(story: Story) -> tuple[Prepared, Offer]:
    """The buyer pins the inputs and posts the job; an honest seller's worker starts."""
    narrator, stage, chain = story.narrator, story.stage, story.chain
    narrator.act("Bob buys a fine-tune")
    store = _store(story, BUYER)
    with narrator.live("dataset, model and initial adapter become content") as live:
        live.update("hashing 269 MB, pushing it to the gateway")
        home = stage.roles[BUYER].home
        prepared = prepare(story.spec, store, base=story.files, cache=home / "cache")
    fee_min = int(chain.network.parameters["fee_min"])
    offered = offer(prepared.spec, prepared.spec_cid, fee_min=fee_min)
    examples = prepared.facts["examples"]
    training = prepared.spec.training
    narrator.say(f"{examples} chat examples · {training.max_steps} steps · {offered.terms.segments} segments")
    narrator.say(f"model {prepared.spec.base_model[7:27]}…  spec {prepared.spec_cid.hex()[:16]}…")
    price, escrow = format_amount(offered.terms.max_price), format_amount(offered.escrow)
    narrator.say(f"price {price} TOK; the most it can cost is {escrow} TOK")
    return prepared, offered


def post_for(story: Story, offered: Offer, seller: str, *, lazy: bool) -> JobId:
    """Posts the job and starts the seller that will take it."""
    buyer = story.stage.roles[BUYER]
    job_id, _ = post(story.chain, buyer.account, offered)
    story.job_ids[seller] = job_id
    if lazy:
        story.stage.start_lazy_seller(seller, job_id)
    else:
        story.stage.start_seller(seller, job_id)
    story.narrator.say(f"job {job_id} is posted; {seller} starts {'a lazy worker' if lazy else '`swarm worker start`'}")
    return job_id


def follow(story: Story, job_ids: list[JobId], *, until: tuple[JobStatus, ...], title: str) -> None:
    """Tells what happens until every job is in one of the states `until`."""
    seen: dict[JobId, str] = {}
    with story.narrator.live(title) as live:

        def reached() -> bool:
            story.stage.check_alive()
            _tell_news(story, live)
            jobs = [story.chain.escrow.job(job_id) for job_id in job_ids]
            for job in jobs:
                _tell_state(story, job, seen)
            return all(job.status in until for job in jobs)

        wait_for(reached, timeout_seconds=END_SECONDS, what=title, period_seconds=0.5)


def _tell_news(story: Story, live: Live) -> None:
    for role in story.stage.roles.values():
        for line in role.news():
            _tell_line(story, role.name, line, live)


def _tell_line(story: Story, name: str, line: dict, live: Live) -> None:
    say, event, job = story.narrator.say, line.get("event"), line.get("job_id")
    match event:
        case "progress" if line.get("phase") == "step":
            loss, step = line.get("loss", 0), f"{line.get('step')}/{line.get('steps')}"
            live.update(f"{name} step {step}  loss {loss:.3f}  {line.get('tokens_per_second', 0):.0f} tok/s")
        case "job_accepted":
            say(f"{name} accepts job {job} with {format_amount(line['collateral'])} TOK of collateral")
        case "job_executed":
            story.executed[job] = line
            say(f"{name} has run job {job} in {line['wall_seconds']} s")
        case "result_submitted":
            say(f"{name} submits job {job}: result {line['cid'][2:18]}…")
        case "seed_stored":
            say(f"{name} brings the drand round of epoch {line['epoch']}; the contract verifies its BLS signature")
        case "replay_started":
            say(f"{name} is drawn for job {job} and re-executes segment {line['segment']}")
        case "replay_finished":
            story.replays.setdefault(job, []).append(line)
            found = "the seller's own result, bit by bit" if line["matches"] else "[red]another result[/red]"
            say(f"{name} finds {found} in segment {line['segment']} of job {job} ({line['wall_seconds']} s)")
        case "confirmed":
            say(f"[green]{name} confirms job {job} by opening its commitment[/green]")
        case "denied":
            say(f"[red]{name} denies job {job}: a committee of three is drawn from a fresh seed[/red]")
        case "sealed" | "revealed":
            say(f"{name} has {event} its finding on job {job}")
        case "tallied":
            say(f"{name} tallies the votes on job {job}; anyone may appeal, for some seconds here and a day elsewhere")
        case "ruling_executed":
            say(f"{name} carries out the ruling on job {job}: {line['ruling']}")
        case "job_refused" | "run_failed" | "replay_failed" | "refused":
            raise SwarmError(f"{name}: {event}: {line.get('reason')}")
        case _:
            pass


def _tell_state(story: Story, job: Job, seen: dict[JobId, str]) -> None:
    status = state_of(story.chain, job)
    state = "past its audit" if job.audited and not status.is_final else status.name.lower().replace("_", " ")
    if seen.get(job.job_id) == state:
        return
    seen[job.job_id] = state
    if job.status is JobStatus.SLASHED:
        story.narrator.say(
            f"[bold red]job {job.job_id} is slashed: the collateral is taken, the buyer refunded[/bold red]"
        )
    elif job.status is JobStatus.SETTLED:
        story.narrator.say(f"[bold green]job {job.job_id} is settled: the seller is paid[/bold green]")
    else:
        story.narrator.say(f"job {job.job_id} is {state}")


def measure(story: Story, prepared: Prepared, adapter: Path | None, name: str) -> Evaluation:
    """Held-out loss and one answer, with or without the adapter, in the sandbox."""
    with story.narrator.live(f"held-out loss {name}") as live:
        live.update("loading the model")
        return evaluate(
            story.sandbox,
            prepared.spec,
            model=story.files / story.spec.base_model.removeprefix("file:"),
            heldout=story.files / "data" / "product_chat.heldout.jsonl",
            adapter=adapter,
            prompts=[PROMPT],
            max_new_tokens=56,
            workspace=story.stage.directory / "evaluate",
            on_progress=lambda fact: live.update(f"{fact.get('done', '…')} of {fact.get('of', '…')} examples"),
        )


def pull(story: Story, job_id: JobId) -> buyer_pull.Pulled:
    """The buyer downloads the adapter and checks it against the commitment."""
    target = story.stage.directory / "adapter"
    return buyer_pull.pull(_store(story, BUYER), story.chain.escrow.job(job_id), target)


def collect_fees(story: Story) -> None:
    """The judges have paid out what their slots have earned."""
    chain, roles = story.chain, {story.stage.roles[name].address: story.stage.roles[name] for name in JUDGES}
    paid = 0
    for slot in chain.bench.slots():
        if earned := chain.bench.bond(slot.slot_id).earned:
            chain.bench.collect(roles[slot.owner].account, slot.slot_id)
            paid += earned
    story.narrator.say(f"the judges collect {format_amount(paid)} TOK of fees with `verifier collect`")


def _store(story: Story, name: str) -> EmbeddedStore:
    network = story.chain.network
    home = story.stage.roles[name].home
    return EmbeddedStore(home / "store", gateways=network.gateways, push_to=network.push_to)
