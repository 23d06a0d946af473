# SPDX-License-Identifier: Apache-2.0
"""The command `castwarden`. Each command imports what it needs when it runs, so that `--help` is quick."""

import os
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import typer
from castwarden_model.resources.monitor import Depth

app = typer.Typer(
    help="Looks after live streams, channels and downloads.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command()
def up(
    data: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("castwarden-data"),
    port: Annotated[int, typer.Option(help="REST API.")] = 8080,
    internal_port: Annotated[int, typer.Option(help="What workers report to.")] = 8081,
    operator_port: Annotated[int, typer.Option(help="The operator's health and metrics.")] = 8082,
    kube_port: Annotated[int, typer.Option(help="Kubernetes API.")] = 6443,
    allow_private: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="A private network that streams, feeds and webhooks may be in; repeatable."),
    ] = None,
    downloads: Annotated[bool, typer.Option("--downloads", help="Allow DownloadJobs.")] = False,
) -> None:
    """Run everything on this machine until Ctrl-C. DATABASE_URL takes another PostgreSQL than the embedded one."""
    from castwarden_local.serve import serve
    from castwarden_local.up import StackOptions

    options = StackOptions(
        data=data,
        port=port,
        internal_port=internal_port,
        operator_port=operator_port,
        kube_port=kube_port,
        allow_private=tuple(_network(text) for text in allow_private or ()),
        downloads=downloads,
        database_url=os.environ.get("DATABASE_URL") or None,
        api_key=os.environ.get("API_KEY") or None,
    )
    raise SystemExit(serve(options))


@app.command()
def demo(keep: Annotated[bool, typer.Option("--keep", help="Leave it running until Ctrl-C.")] = False) -> None:
    """Run the main job for real on this machine and show what happens."""
    from castwarden_local.demo import run

    raise SystemExit(run(keep))


@app.command()
def probe(
    url: Annotated[
        str, typer.Argument(help="A live stream (HLS, DASH, Icecast, RTMP, RTSP, SRT), or a page with one.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Every alert and recovery as one JSON line, as its webhook tells it.")
    ] = False,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="CHECK.PARAMETER=VALUE", help="Such as black.raiseAfter=5s.")
    ] = None,
    for_time: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="Such as 10m; else endless.")
    ] = None,
    depth: Annotated[Depth, typer.Option(help="How much is decoded.")] = "Adaptive",
) -> None:
    """Watch one stream without any server and show its health live."""
    from castwarden_worker.probe import run_probe

    seconds = None if for_time is None else _seconds(for_time)
    raise SystemExit(run_probe(url, sets=sets or (), json=as_json, for_seconds=seconds, depth=depth))


@app.command()
def crds(
    folder: Annotated[Path | None, typer.Argument(help="Where to write one file per kind.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a file differs.")] = False,
) -> None:
    """Print or write the custom resource definitions."""
    from castwarden_model.crds import rendered, write

    if folder is None:
        sys.stdout.write("---\n".join(rendered().values()))
    elif not check:
        write(folder)
    else:
        stale = [name for name, text in rendered().items() if _text_of(folder / name) != text]
        if stale:
            _fail(f"out of date in {folder}: {', '.join(stale)}; run `castwarden crds {folder}`")


@app.command(context_settings=PASS_ON)
def gateway(context: typer.Context) -> None:
    """Run the gateway, with settings from the environment."""
    from castwarden_gateway.__main__ import main as run

    sys.argv = ["castwarden-gateway", *context.args]
    raise SystemExit(run())


@app.command(context_settings=PASS_ON)
def migrate(context: typer.Context) -> None:
    """Bring the gateway's database (DATABASE_URL) to this version; --post once the rollout is over, --check to look."""
    from castwarden_gateway.__main__ import main as run

    sys.argv = ["castwarden-gateway", "migrate", *context.args]
    raise SystemExit(run())


@app.command()
def operator() -> None:
    """Run the operator, with settings from the environment."""
    from castwarden_operator.__main__ import main as run

    raise SystemExit(run())


@app.command(context_settings=PASS_ON)
def worker(context: typer.Context) -> None:
    """Run one worker in the given role, with settings from the environment."""
    from castwarden_worker.__main__ import main as run

    sys.argv = ["castwarden-worker", *context.args]
    run()


@app.command()
def version() -> None:
    """Print the version."""
    from castwarden_model import __version__

    sys.stdout.write(f"{__version__}\n")


def main() -> None:
    """Entry point of `castwarden`."""
    try:
        app()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--allow-private") from None


def _seconds(text: str) -> float:
    from castwarden_model.durations import parse_duration

    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None


def _text_of(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def _fail(message: str) -> None:
    sys.stderr.write(f"castwarden: {message}\n")
    raise SystemExit(1)
