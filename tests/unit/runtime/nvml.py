# SPDX-License-Identifier: Apache-2.0
"""The part of nvidia-ml-py that is used here, over cards that a test describes."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace


class NVMLError(Exception):
    pass


@dataclass
class Card:
    uuid: str
    used: int = 100 << 20
    total: int = 24 << 30
    processes: list[int] = field(default_factory=list)
    capability: tuple[int, int] = (8, 9)
    temperature: int | None = 50
    milliwatts: int | None = 120_000


class FakeNvml:
    """Stands in for the module `pynvml`; `later` is called before each look at a card's memory."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, *cards: Card, has_driver: bool = True) -> None:
        self.cards, self.has_driver = cards, has_driver
        self.later = lambda: None
        self.open = 0

    def nvmlInit(self):
        if not self.has_driver:
            raise NVMLError("Driver Not Loaded")
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetCount(self):
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index):
        return self.cards[index]

    def nvmlDeviceGetHandleByUUID(self, uuid):
        found = next((card for card in self.cards if card.uuid == uuid), None)
        if found is None:
            raise NVMLError("Not Found")
        return found

    def nvmlDeviceGetMemoryInfo(self, card):
        self.later()
        return SimpleNamespace(total=card.total, free=card.total - card.used, used=card.used)

    def nvmlDeviceGetComputeRunningProcesses(self, card):
        return [SimpleNamespace(pid=pid) for pid in card.processes]

    def nvmlDeviceGetUUID(self, card):
        return card.uuid

    def nvmlDeviceGetName(self, card):
        return b"RTX 4090"

    def nvmlDeviceGetCudaComputeCapability(self, card):
        return list(card.capability)

    def nvmlDeviceGetTemperature(self, card, sensor):
        return self._reading(card.temperature)

    def nvmlDeviceGetPowerUsage(self, card):
        return self._reading(card.milliwatts)

    def _reading(self, value):
        if value is None:
            raise NVMLError("Not Supported")
        return value
