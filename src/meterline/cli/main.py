"""`meterline`: the program. Only the module of the command asked for is imported, so that roles start at once."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

from meterline import __version__

# Each module has `register(app)`, which adds its commands.
MODULES = {
    "up": "meterline.cli.up",
    "demo": "meterline.cli.demo",
    "apply": "meterline.cli.apply",
    "quickstart": "meterline.cli.quickstart",
    "ingest": "meterline.cli.ingest",
    "simulate": "meterline.cli.simulate",
    "usage": "meterline.cli.usage",
    "invoice": "meterline.cli.invoice",
    "environment": "meterline.cli.environment",
    "token": "meterline.cli.token",
    "doctor": "meterline.cli.doctor",
    "migrate": "meterline.cli.migrate",
    "partitions": "meterline.cli.partitions",
    "serve": "meterline.cli.role",
    "work": "meterline.cli.role",
    "rate": "meterline.cli.role",
    "schedule": "meterline.cli.role",
}


def program(modules: list[str]) -> typer.Typer:
    """Return the program with the commands of `modules`."""
    app = typer.Typer(
        name="meterline",
        help="Usage-based billing: exactly-once metering, live spend, running invoices.",
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,  # they would show tokens and passwords
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def root(
        version: bool = typer.Option(False, "--version", help="Print the version and end."),
    ) -> None:
        if version:
            typer.echo(f"meterline {__version__}")
            raise typer.Exit

    for module in modules:
        import_module(module).register(app)
    return app


def main() -> None:
    """Run the command line."""
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    modules = [MODULES[asked]] if asked in MODULES else list(dict.fromkeys(MODULES.values()))
    program(modules)()


if __name__ == "__main__":
    main()
