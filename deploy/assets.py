"""Copies the dashboard's third-party assets from node_modules to where the server serves them.

They are not in git: npm's lock file pins their hashes, and set-up runs this after `npm ci`.
"""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "src" / "meterline" / "web" / "static" / "vendor"
# htmx starts in a task of its own after its script ran: an extension in a second file may come too
# late for it, and the page would stay still. So the two are one file.
ASSETS = {
    "pico.min.css": ("@picocss/pico/css/pico.min.css",),
    "htmx-with-sse.min.js": ("htmx.org/dist/htmx.min.js", "htmx.org/dist/ext/hx-sse.min.js"),
    "uPlot.iife.min.js": ("uplot/dist/uPlot.iife.min.js",),
    "uPlot.min.css": ("uplot/dist/uPlot.min.css",),
}

shutil.rmtree(VENDOR, ignore_errors=True)
VENDOR.mkdir(parents=True)
for name, sources in ASSETS.items():
    parts = [(ROOT / "node_modules" / source).read_bytes() for source in sources]
    (VENDOR / name).write_bytes(b"\n".join(parts))
