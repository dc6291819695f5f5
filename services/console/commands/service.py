"""`obra service NAME`: one service as a process of its own."""

from pathlib import Path

import click


@click.command(short_help="Run one service alone, for a distributed installation.")
@click.argument("name")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file [default: obra.toml in OBRA_HOME].")
def service(name: str, config: Path | None) -> int:
    """Run the service NAME until SIGTERM, on the server of `nats.url` or the Obra that runs on this home."""
    from obra.shared.runtime import main  # noqa: PLC0415 - nats-py

    return main(name, config)
