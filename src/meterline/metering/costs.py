"""What each step of the cycle costs, in wall and thread CPU seconds, for metrics and the benchmark."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class StepCosts:
    """Sums since the worker started. `wall` and `cpu` are seconds by step."""

    events: int = 0
    duplicates: int = 0
    cycles: int = 0
    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    def start(self) -> tuple[float, float]:
        return time.perf_counter(), time.thread_time()

    def stop(self, name: str, started: tuple[float, float]) -> None:
        wall, cpu = started
        self.wall[name] = self.wall.get(name, 0.0) + time.perf_counter() - wall
        self.cpu[name] = self.cpu.get(name, 0.0) + time.thread_time() - cpu

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = self.start()
        try:
            yield
        finally:
            self.stop(name, started)
