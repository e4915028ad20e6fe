# SPDX-License-Identifier: Apache-2.0
"""Plays the story and writes its report. Started by scripts/demo.py inside `.venv`."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from scripts.story import acts
from scripts.story.acts import BUYER, JUDGES, SELLERS, Story
from scripts.story.books import Books, job_money, take_books
from scripts.story.narrator import Narrator
from scripts.story.stage import Stage
from swarm.errors import SwarmError
from swarm.execution.segments import Sandbox
from swarm.protocol.types import JobStatus
from swarm.units import format_amount
from swarm.workloads.spec import load_spec

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "examples" / "product_chat.yaml"


def main() -> None:
    options = _options()
    directory = Path(options.directory or tempfile.mkdtemp(prefix="swarm-demo-"))
    narrator = Narrator()
    runner, engine, reason = _engine(options.sandbox, narrator)
    stage = Stage(directory, sandbox="docker" if engine.startswith("sha256:") else "process")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like ^C: nothing is left running
    try:
        report = _play(stage, narrator, Sandbox(runner, owner="demo"), engine, reason)
        if options.report:
            Path(options.report).write_text(json.dumps(report, indent=1) + "\n")
            narrator.say(f"report: {options.report}")
        if options.keep:
            _keep(stage, narrator)
    except SwarmError as error:
        print(f"error: {error} (logs: {directory})", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        stage.close()
    if not options.directory and not options.keep:
        shutil.rmtree(directory, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo.py")
    parser.add_argument("--report", metavar="FILE")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--directory", metavar="DIR")
    parser.add_argument("--sandbox", choices=["auto", "docker", "process"], default="auto")
    return parser.parse_args()


def _engine(wanted: str, narrator: Narrator):
    """Containers where an engine answers and an image can be had; otherwise processes, said in one line."""
    from swarm.runtime.process import ProcessRunner

    reason = "as asked"
    if wanted != "process":
        from swarm.runtime.docker import DockerRunner
        from swarm.runtime.images import ensure_image

        try:
            runner = DockerRunner()
            runner.check()
            with narrator.live("the job image") as live:
                live.update("built once, then reused")
                return runner, ensure_image(), "containers"
        except SwarmError as error:
            if wanted == "docker":
                raise
            reason = error.message
    return ProcessRunner(), "process", reason


def _play(stage: Stage, narrator: Narrator, sandbox: Sandbox, engine: str, reason: str) -> dict:
    narrator.act("A chain of our own")
    with narrator.live("devnet") as live:
        live.update("anvil, contracts, drand signer, content gateway")
        chain = stage.raise_devnet()
    network = chain.network
    narrator.say(f"anvil at {network.rpc_url}, chain {network.chain_id}; escrow {network.escrow}")
    if engine == "process":
        narrator.say(
            f"[yellow]sandbox: processes of this user ({reason}); a public network needs a container engine[/yellow]"
        )
    else:
        narrator.say(f"sandbox: containers of image {engine[:19]}…")
    spec = load_spec(SPEC).model_copy(update={"engine": engine})
    story = Story(stage, narrator, chain, spec, ROOT, sandbox)
    acts.open_market(story)
    people = {name: stage.roles[name].address for name in (BUYER, *SELLERS, *JUDGES)}
    before = take_books(chain, people)
    prepared, offered = acts.buy(story)
    base = acts.measure(story, prepared, None, "before")
    narrator.say(f"held-out loss of the untouched model: {base.loss:.3f}; asked “{acts.PROMPT}” it says:")
    narrator.quote(base.answers[0])
    honest_seller, lazy_seller = SELLERS
    narrator.act("Sally trains")
    honest = acts.post_for(story, offered, honest_seller, lazy=False)
    done = (JobStatus.SETTLED, JobStatus.SLASHED, JobStatus.VOID, JobStatus.REFUNDED)
    submitted = (JobStatus.SUBMITTED, JobStatus.UNDER_AUDIT, JobStatus.CHALLENGED, *done)
    acts.follow(story, [honest], until=submitted, title="training")
    narrator.act("Larry does not")
    cheat = acts.post_for(story, offered, lazy_seller, lazy=True)
    acts.follow(story, [honest, cheat], until=done, title="audits and settlement")
    narrator.act("Bob looks at what he bought")
    pulled = acts.pull(story, honest)
    narrator.say(f"adapter {pulled.output_cid[:24]}…  {pulled.bytes / 1e6:.1f} MB, matches the commitment on chain")
    tuned = acts.measure(story, prepared, pulled.directory, "after")
    narrator.say(f"held-out loss {base.loss:.3f} → [bold]{tuned.loss:.3f}[/bold]; now it says:")
    narrator.quote(tuned.answers[0])
    acts.collect_fees(story)
    chain.escrow.burn(stage.roles[BUYER].account)
    after = take_books(chain, people)
    report = _report(story, offered, {honest_seller: honest, lazy_seller: cheat}, after)
    report |= {"eval_loss_before": base.loss, "eval_loss_after": tuned.loss, "adapter_cid": pulled.output_cid}
    _close(story, before, after, report)
    return report


def _report(story: Story, offered, job_ids: dict, books: Books) -> dict:
    chain = story.chain
    jobs = []
    for name, job_id in job_ids.items():
        job = chain.escrow.job(job_id)
        executed, replays = story.executed.get(job_id, {}), story.replays.get(job_id, [])
        money = {key: format_amount(value, places=18) for key, value in job_money(chain, job_id).items()}
        jobs.append(
            {
                "name": f"job {job_id}",
                "seller": name,
                "status": job.status.name.lower(),
                "audited": bool(replays),
                "price": format_amount(job.price, places=18),
                **money,
                "wall_seconds": executed.get("wall_seconds"),
                "cpu_seconds": executed.get("cpu_seconds"),
                "segments": job.segments,
                "segments_recomputed": len(replays),
                "recompute_cpu_seconds": round(sum(line["cpu_seconds"] for line in replays), 1),
            }
        )
    sold = sum(job["segments"] for job in jobs)
    return {
        "jobs": jobs,
        "balances": books.to_json(),
        "conserved": books.is_conserved,
        "recomputed_share": sum(job["segments_recomputed"] for job in jobs) / sold,
        "recomputed_share_honest": jobs[0]["segments_recomputed"] / jobs[0]["segments"],
        # Loading the model included: the smaller the job, the dearer its audit.
        "recomputed_cpu_share_honest": round(jobs[0]["recompute_cpu_seconds"] / jobs[0]["cpu_seconds"], 3),
        "wall_seconds": round(story.narrator.elapsed_seconds, 1),
        "sandbox": story.sandbox.runner.name,
        "versions": _versions(chain),
    }


def _versions(chain) -> dict:
    names = ("computeswarm", "web3", "torch", "transformers", "peft", "safetensors")
    found = {name: importlib.metadata.version(name) for name in names}
    return found | {"python": sys.version.split()[0], "chain": chain.client.web3.client_version}


def _close(story: Story, before: Books, after: Books, report: dict) -> None:
    narrator = story.narrator
    narrator.act("Who has what")
    rows = []
    for name, stake in after.stakes.items():
        change = after.balances[name] + stake - before.balances[name] - before.stakes[name]
        rows.append(
            [
                name,
                format_amount(after.balances[name]),
                format_amount(stake),
                f"{'+' if change > 0 else ''}{format_amount(change)}",
            ]
        )
    rows.append(
        ["escrow (pool, to burn)", format_amount(after.escrow), "", f"+{format_amount(after.escrow - before.escrow)}"]
    )
    rows.append(["burned", format_amount(after.burned), "", f"+{format_amount(after.burned - before.burned)}"])
    narrator.table("TOK at the end", ["", "balance", "stake", "change"], rows)
    word = (
        "[green]every token is accounted for[/green]"
        if after.is_conserved
        else "[bold red]tokens are missing[/bold red]"
    )
    narrator.say(f"{word}: the sums match the supply of {format_amount(after.supply)} TOK")
    honest, cheat = report["jobs"]
    narrator.say(
        f"re-executed: {honest['segments_recomputed']} of {honest['segments']} segments of the honest job "
        f"({report['recomputed_share_honest']:.1%} of the steps; with loading the model "
        f"{report['recomputed_cpu_share_honest']:.1%} of the CPU time), "
        f"{cheat['segments_recomputed']} of {cheat['segments']} of the cheat's"
    )


def _keep(stage: Stage, narrator: Narrator) -> None:
    home = stage.directory / BUYER
    narrator.act("The devnet goes on; ^C ends it")
    narrator.say(f"export SWARM_NETWORK={stage.network_file} SWARM_HOME={home}")
    narrator.say(f"export SWARM_PASSPHRASE_FILE={stage.directory / 'passphrase'} PATH=$PWD/.venv/bin:$PATH")
    for command in ("swarm job list", "swarm job show 1", "verifier show 2", "swarm wallet show", "swarm stake show"):
        narrator.say(f"  {command}")
    try:
        stage.wait()
    except KeyboardInterrupt:
        narrator.say("ended")


if __name__ == "__main__":
    main()
