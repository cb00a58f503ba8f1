"""Serving, the demo, and checking the settings."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.opening import CONFIG, QUIET
from app.config import load_settings
from app.logs import configure as configure_logs
from app.settings import insecure_settings


@click.command()
@CONFIG
def serve(config_path: Path | None) -> None:
    """Serve the roles that the settings name."""
    from app.serving import serve as serve_until_interrupted
    from app.wiring import prepare
    from app.wiring.accounts import lacks_owner

    settings = load_settings(config_path)
    configure_logs(settings.log)
    for name in insecure_settings(settings):
        click.echo(f"INSECURE SETTING IS ON: {name}", err=True)
    prepare(settings)
    if "console" in settings.roles and lacks_owner(settings):
        click.echo("no owner yet; for a link to make the first account: ", nl=False, err=True)
        click.echo(f"vouchgate operators setup-link{_with_config(config_path)}", err=True)
    serve_until_interrupted(settings)


@click.command()
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), default=Path("var"))
@click.option("--port", type=click.IntRange(1, 65535), default=8080)
def demo(state: Path, port: int) -> None:
    """Serve everything on loopback, with the sample TEE and a demo secret."""
    from app.demo import run

    run(state, port)


@click.command("check-config")
@CONFIG
def check_config(config_path: Path | None) -> None:
    """Check the settings and everything that they name, and list every fault."""
    from app.named.checking import check_named

    settings = load_settings(config_path)
    configure_logs(QUIET)
    check_named(settings)
    for name in insecure_settings(settings):
        click.echo(f"insecure: {name}")
    click.echo("the settings are fine")


def _with_config(config_path: Path | None) -> str:
    return f" --config {config_path}" if config_path is not None else ""
