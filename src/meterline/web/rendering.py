"""Templates and the addresses of assets."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

STATIC = Path(__file__).parent / "static"


@cache
def assets_version() -> str:
    """Return a fingerprint of all assets: their addresses change with them, so caches may keep them.

    Raises FileNotFoundError saying what to do when the third-party ones were never installed.
    """
    if not (STATIC / "vendor" / "htmx-with-sse.min.js").is_file():
        raise FileNotFoundError(
            f"{STATIC / 'vendor'} is empty: run deploy/setup (it takes the assets from npm)"
        )
    digest = blake2b(digest_size=6)
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def asset(name: str) -> str:
    """Return the address of a file under static/."""
    return f"/static/{assets_version()}/{name}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("meterline.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = asset
    return environment


def render(template: str, **context: object) -> str:
    """Return the template's text; values are escaped."""
    return _environment().get_template(template).render(**context)
