# SPDX-License-Identifier: Apache-2.0
"""What a daemon shows to a machine that watches it: /metrics, /healthz and /readyz on loopback, only where asked for.

healthz   the loop still turns: restart the daemon where it does not
readyz    it sees the chain: it can earn or judge now
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from swarm.errors import UsageError
from swarm.log import Log
from swarm.storage import tally

if TYPE_CHECKING:
    from swarm.chain.client import ChainClient

log = Log("swarm.monitoring")
HOST = "127.0.0.1"
Trouble = Callable[[], str | None]


class Monitor:
    """Serves until `stop`. `collect` gives the metrics at each scrape; the others name what is wrong, or nothing."""

    def __init__(
        self, port: int, collect: Callable[[], Iterable[Metric]], *, health: Trouble, readiness: Trouble
    ) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Collector(collect))
        pages = {
            "/metrics": lambda: (200, CONTENT_TYPE_LATEST, generate_latest(registry)),
            "/healthz": lambda: _answer(health()),
            "/readyz": lambda: _answer(readiness()),
        }
        try:
            self._server = ThreadingHTTPServer((HOST, port), _handler(pages))
        except OSError as error:
            raise UsageError(
                f"port {port} on {HOST} cannot be used: {error.strerror}", hint="--metrics-port"
            ) from error
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def start(self) -> Monitor:
        threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True).start()
        log.info("metrics_served", address=f"http://{HOST}:{self.port}/metrics")
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=value)


def by_label(kind: type, name: str, about: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    """A family with one label. Labels have few values: never a job's number."""
    family = kind(name, about, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    return family


def counter(name: str, about: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, about, value=value)


def connections(client: ChainClient) -> Iterator[Metric]:
    """What became of a daemon's requests for content, its transactions and its endpoints; asks nobody."""
    about = "Requests for content since the start, by whom they went to and outcome."
    content = CounterMetricFamily("swarm_content_requests_total", about, labels=["peer", "outcome"])
    for labels, count in sorted(tally.counts().items()):
        content.add_metric(labels, count)
    yield content
    pending = client.pending_transactions()
    yield gauge("swarm_chain_pending_transactions", "Sent and not known to be mined.", pending)
    about = "Blocks behind the best when endpoints were last compared."
    lags = client.endpoints.lags().items()
    yield by_label(GaugeMetricFamily, "swarm_chain_endpoint_lag_blocks", about, "endpoint", lags)


class _Collector:
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()

    def describe(self) -> Iterable[Metric]:
        # Nothing is known before the first scrape.
        return ()


def _answer(trouble: str | None) -> tuple[int, str, bytes]:
    return (503 if trouble else 200), "text/plain; charset=utf-8", f"{trouble or 'ok'}\n".encode()


def _handler(pages: dict[str, Callable[[], tuple[int, str, bytes]]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name is the library's
            page = pages.get(self.path.partition("?")[0])
            status, kind, body = page() if page else (404, "text/plain", b"/metrics, /healthz, /readyz\n")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Scrapes are no events."""

    return Handler
