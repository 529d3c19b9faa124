"""`python -m bench [NAME [OPTIONS]]`: one benchmark, or all of them. One JSON object a line."""

import sys

from bench import growth, invoices, pipeline, rating, running_invoice, spend

BENCHMARKS = {
    "pipeline": pipeline.main,
    "growth": growth.main,
    "spend": spend.main,
    "rating": rating.main,
    "invoices": invoices.main,
    "running_invoice": running_invoice.main,
}

if __name__ == "__main__":
    name, *options = sys.argv[1:] or [""]
    for known, run in BENCHMARKS.items():
        if name in ("", known):
            run(options)
    if name and name not in BENCHMARKS:
        sys.exit(f"no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
