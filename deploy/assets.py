"""Copies the dashboard's third-party assets from node_modules to where the server serves them.

They are not in git: npm's lock file pins their hashes, and set-up runs this after `npm ci`.
"""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "src" / "meterline" / "web" / "static" / "vendor"
ASSETS = (
    "@picocss/pico/css/pico.min.css",
    "htmx.org/dist/htmx.min.js",
    "htmx.org/dist/ext/hx-sse.min.js",
    "uplot/dist/uPlot.iife.min.js",
    "uplot/dist/uPlot.min.css",
)

VENDOR.mkdir(parents=True, exist_ok=True)
for asset in ASSETS:
    source = ROOT / "node_modules" / asset
    shutil.copyfile(source, VENDOR / source.name)
