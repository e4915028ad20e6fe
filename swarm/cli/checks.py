# SPDX-License-Identifier: Apache-2.0
"""What `swarm doctor` looks at, one function a thing. None of them raises: what cannot be looked at has failed."""

from __future__ import annotations

import enum
import os
import platform
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.errors import SwarmError

if TYPE_CHECKING:
    from swarm.cli.common import Context

GIB = 1 << 30
_DISK_FAIL, _DISK_WARN = 2 * GIB, 20 * GIB
_MEMORY_FAIL = 3 * GIB
_GAS_WARN_JOBS = 10
_SKEW_SECONDS, _OLD_HEAD_SECONDS = 15, 300
_DELIVERY_SECONDS = 60
_CONTAINER_SECONDS, _CONTAINER_BYTES = 60, 2 << 30  # a CUDA context alone maps several hundred MiB
_INSTALL_DOCKER = "install a Docker engine and start it: sudo apt-get install docker.io"


class Status(enum.StrEnum):
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Record:
    """One check. `remedy` is empty where nothing need be done; the names are stable, programs read them."""

    id: str
    status: Status
    actual: str
    required: str
    purpose: str
    remedy: str = ""

    def to_json(self) -> dict:
        return asdict(self)


def checks(context: Context) -> Iterator[Record]:
    """Every check, cheap ones first."""
    for check_id, required, purpose, look in _CHECKS:
        try:
            status, actual, remedy = look(context)
        except SwarmError as error:
            status, actual, remedy = Status.FAIL, error.message, error.hint or "read the line again"
        except Exception as error:  # a doctor that falls ill helps nobody
            status, actual, remedy = Status.FAIL, f"could not be looked at: {error!r}"[:200], "report this"
        yield Record(check_id, status, actual, required, purpose, remedy)


Found = tuple[Status, str, str]


def _python(context: Context) -> Found:
    version = platform.python_version()
    return _judge(sys.version_info >= (3, 11), version, "install Python 3.11 or later")


def _processor(context: Context) -> Found:
    flags, machine = _processor_flags(), platform.machine()
    actual = f"{machine}, {os.cpu_count()} processors, {'AVX2' if 'avx2' in flags else 'no AVX2'}"
    return _judge("avx2" in flags, actual, "jobs of class cpu-fp32 need an x86-64 processor with AVX2")


def _processor_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), []))


def _memory(context: Context) -> Found:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    wanted = int((context.config.number("memory_gib") or 0) * GIB)
    actual = f"{total / GIB:.1f} GiB, a job may use {wanted / GIB:g}"
    if total < _MEMORY_FAIL:
        return Status.FAIL, actual, "a job needs more memory than this machine has"
    return _judge(wanted <= total, actual, "lower memory_gib to what the machine has", bad=Status.WARN)


def _disk(context: Context) -> Found:
    folder = next(path for path in (context.home, *context.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    actual = f"{free / GIB:.1f} GiB free at {folder}"
    if free < _DISK_FAIL:
        return Status.FAIL, actual, "free some space, or move --home"
    return _judge(free >= _DISK_WARN, actual, "models and results need more sooner or later", bad=Status.WARN)


def _home(context: Context) -> Found:
    home = context.home
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=home):
        mode = stat.S_IMODE(home.stat().st_mode)
    is_own = home.stat().st_uid == os.geteuid() and not mode & 0o022
    return _judge(is_own, f"{home}, mode {mode:o}", f"chown it to yourself and chmod 700 {home}")


def _engine(context: Context) -> Found:
    from swarm.runtime import engine as engines
    from swarm.runtime.docker import DockerRunner
    from swarm.runtime.hardening import runtime_of

    DockerRunner().check()
    client = engines.connect()
    with engines.engine_errors():
        info = client.info()
    runtime = runtime_of(info.get("Runtimes") or {}) or info.get("DefaultRuntime", "runc")
    return Status.PASS, f"{info['ServerVersion']}, cgroup v{info.get('CgroupVersion', '1')}, runtime {runtime}", ""


def _container(context: Context) -> Found:
    return _try_container(context, "print('hello')")


def _try_container(context: Context, code: str, gpu: str | None = None) -> Found:
    from swarm.runtime.docker import DockerRunner
    from swarm.runtime.images import held_image
    from swarm.runtime.port import JobRun, Limits, RunEnd

    image = held_image(_network_engine(context))
    if image is None:
        return Status.FAIL, "the engine holds no job image", "python3 scripts/build_image.py"
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="swarm-doctor-") as folder:
        limits = Limits(memory_bytes=_CONTAINER_BYTES, cpus=1.0, wall_seconds=_CONTAINER_SECONDS)
        run = JobRun(image, ("python", "-c", code), {}, Path(folder), limits, owner="doctor", gpu=gpu)
        outcome = DockerRunner().run(run)
    actual = f"{image[:19]}… ended with {outcome.reason.value} after {time.monotonic() - begin:.1f} s"
    words = outcome.log_tail.splitlines()[-1:] or ["no word"]
    return _judge(outcome.reason is RunEnd.OK, actual, f"the container said: {words[0][:200]}")


def _bubblewrap(context: Context) -> Found:
    from swarm.runtime import bubblewrap

    works = bubblewrap.works()
    remedy = "for jobs of your own without an engine: sudo apt-get install bubblewrap"
    return _judge(works, "works" if works else "does not work here", remedy, bad=Status.WARN)


def _gpu(context: Context) -> Found:
    from swarm.runtime.gpus import gpus

    found, why = gpus()
    names = "; ".join(f"{gpu.index}: {gpu.name}, {gpu.memory_bytes / GIB:.0f} GiB" for gpu in found)
    return Status.PASS, names or why, ""


def _gpu_container(context: Context) -> Found:
    from swarm.runtime.docker import DockerRunner
    from swarm.runtime.gpus import choose

    found = choose(context.config.get("gpu"))
    if found is None:
        return Status.PASS, "no GPU to lend", ""
    if not DockerRunner().passes_gpus():
        remedy = (
            "sudo apt-get install nvidia-container-toolkit && sudo nvidia-ctk runtime configure, then restart Docker"
        )
        return Status.WARN, f"the engine has no nvidia runtime: {found.name} stays idle", remedy
    return _try_container(context, "import torch; print(torch.ones(8, device='cuda').sum().item())", found.uuid)


def _chain(context: Context) -> Found:
    begin = time.monotonic()
    client = context.chain.client
    age = time.time() - client.now()
    actual = f"chain {context.network.chain_id}, head {age:.0f} s old, answers in {time.monotonic() - begin:.1f} s"
    is_fresh = age <= _OLD_HEAD_SECONDS or context.network.is_devnet
    return _judge(is_fresh, actual, "the endpoint lags: name another with --rpc-url")


def _clock(context: Context) -> Found:
    ahead = context.chain.client.now() - time.time()
    actual = f"the chain's latest block is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this clock"
    bad = Status.WARN if context.network.is_devnet else Status.FAIL
    return _judge(ahead <= _SKEW_SECONDS, actual, "this clock is slow: sudo timedatectl set-ntp true", bad=bad)


def _store(context: Context) -> Found:
    context.store.check()
    kind = context.config.get("store")
    where = ", ".join(context.network.gateways) if kind == "embedded" else context.config.get("kubo_api")
    return Status.PASS, f"{kind}, {where or 'no gateway'}", ""


def _delivery(context: Context) -> Found:
    """A real round: a fresh block goes out, and comes back through somebody else."""
    from swarm.cli.stores import seller_store_of

    store, delivery = seller_store_of(context.config, context.home, context.network)
    cid = store.add_bytes(b"computeswarm doctor " + os.urandom(16).hex().encode())
    try:
        receipt = delivery.deliver(cid, seconds=_DELIVERY_SECONDS)
        delivery.withdraw(cid)
    finally:
        store.unpin(cid)
    actual = f"held by {', '.join(receipt.holders) or 'the daemon alone'}, came back through {receipt.through}"
    if receipt.refused:
        return Status.WARN, actual, f"another holder did not take it: {receipt.refused[0]}"
    is_outside = delivery.is_outside(receipt) or context.network.is_devnet
    return _judge(is_outside, actual, "that is the holder itself: name another one in gateways", bad=Status.WARN)


def _keystore(context: Context) -> Found:
    address = context.address
    if not context.config.get("passphrase_file"):
        return Status.WARN, f"{context.account_name} is {address}", "a service needs --passphrase-file"
    return Status.PASS, f"{context.account.address}, unlocked", ""


def _stake(context: Context) -> Found:
    from swarm.units import format_amount

    stake = context.chain.vault.stake_of(context.address)
    actual = f"{format_amount(stake.free)} TOK free of {format_amount(stake.stake)}"
    return _judge(stake.free > 0, actual, "a seller or judge needs some: swarm stake deposit", bad=Status.WARN)


def _gas(context: Context) -> Found:
    from swarm.seller.gas import Gauge
    from swarm.units import format_amount

    runway = Gauge(context.chain, context.address).runway()
    actual = f"{format_amount(runway.wei)} ETH, enough for {runway.jobs} jobs"
    remedy = f"send gas to {context.address}"
    if not runway.carries(0):
        return Status.FAIL, actual, remedy
    return _judge(runway.jobs >= _GAS_WARN_JOBS, actual, remedy, bad=Status.WARN)


def _worker(context: Context) -> Found:
    from swarm.cli.worker_views import status_facts

    facts = status_facts(context)
    return Status.PASS, f"{facts['state']}, chain seen: {facts['known']}", ""


def _network_engine(context: Context) -> str | None:
    try:
        return context.network.engine
    except SwarmError:
        return None


def _judge(is_good: bool, actual: str, remedy: str, *, bad: Status = Status.FAIL) -> Found:
    return (Status.PASS, actual, "") if is_good else (bad, actual, remedy)


_CHECKS: tuple[tuple[str, str, str, Callable[[Context], Found]], ...] = (
    ("python.version", "3.11 or later", "the programs", _python),
    ("cpu.class", "x86-64 with AVX2", "judges must get the same bytes", _processor),
    ("memory.total", "what one job may use", "jobs run within memory_gib", _memory),
    ("disk.free", "20 GiB, at least 2", "models, data and results", _disk),
    ("home.owner", "writable by its owner alone", "who may write it steers the worker", _home),
    ("sandbox.engine", "a rootful Docker engine", f"strangers' jobs run in containers; {_INSTALL_DOCKER}", _engine),
    ("sandbox.container", "a job container starts and ends", "a real run, not a version number", _container),
    ("sandbox.bubblewrap", "works, where there is no engine", "jobs of your own as processes", _bubblewrap),
    ("gpu", "none needed for class cpu-fp32", "the other hardware classes", _gpu),
    ("sandbox.gpu", "a container computes on the GPU", "jobs in containers are lent one GPU", _gpu_container),
    ("chain.rpc", "the network's chain, a fresh head", "offers, submissions, payments", _chain),
    ("clock.skew", f"at most {_SKEW_SECONDS} s behind the chain", "deadlines are chain time", _clock),
    ("store", "content can be fetched and published", "judges must be able to fetch results", _store),
    (
        "store.delivery",
        "a holder, and a gateway beside it",
        "what you publish must be fetchable from outside",
        _delivery,
    ),
    ("wallet.keystore", "an account that can be unlocked", "signs every transaction", _keystore),
    ("wallet.gas", f"{_GAS_WARN_JOBS} jobs, at least one", "a job that is taken must be submitted", _gas),
    ("stake.free", "above zero", "collateral for each job, a judge's bond", _stake),
    ("worker", "as you want it", "what the last worker of this home did", _worker),
)
