"""Many histories: `python -m tests.property.books [--sequences 2000] [--steps 20]`, prints what was counted."""

from __future__ import annotations

import argparse
import time

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.property.books.machine import COUNTED, Histories


def main() -> None:
    """Run, and print the counts; fails with the shortest history that model and platform differ in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    began = time.monotonic()
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=asked.sequences,
            stateful_step_count=asked.steps,
            deadline=None,
            database=None,
            # Histories are made shorter by `shortening`, which knows what they are.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(  # noqa: T201
        f"{time.monotonic() - began:.0f} s", dict(COUNTED.most_common()), flush=True
    )


if __name__ == "__main__":
    main()
