# SPDX-License-Identifier: Apache-2.0
"""`castwarden demo`: the main job for real, on this machine, in about a minute."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from castwarden_base.logs import configure_logging
from rich.console import Console

from castwarden_local.demo.story import Story
from castwarden_local.demo.view import View, view_for
from castwarden_local.serve import log_to
from castwarden_local.up import Stack, StackOptions

LOOPBACK = "127.0.0.0/8"


def run(keep: bool) -> int:
    """Tells the story and returns 0 when all came as it must. With `keep` everything goes on until Ctrl-C."""
    console = Console()
    if not console.is_terminal:
        console.width = 120
    try:
        problems = asyncio.run(_run(console, keep))
    except KeyboardInterrupt:
        return 130
    for problem in problems:
        console.print(f"✗ {problem}", style="bold red", highlight=False)
    return 1 if problems else 0


async def _run(console: Console, keep: bool) -> list[str]:
    async with AsyncExitStack() as work:
        scratch = Path(work.enter_context(tempfile.TemporaryDirectory(prefix="castwarden-demo-")))
        files = scratch / "files"
        files.mkdir()
        with view_for(console) as view:
            stack = await _start(work, view, scratch / "data")
            problems = await Story(stack, view, work, files).tell()
        if keep and not problems:
            await _stay(console, stack)
        return problems


async def _start(work: AsyncExitStack, view: View, data: Path) -> Stack:
    view.tell("stack", "starting PostgreSQL, the stand-in for a cluster, gateway and operator")
    configure_logging("demo")
    log_to(data / "logs" / "demo.log")
    options = StackOptions(
        data, port=0, internal_port=0, operator_port=0, kube_port=0, allow_private=(LOOPBACK,), downloads=True
    )
    stack = await work.enter_async_context(Stack(options))
    view.tell("stack", f"REST API {stack.api_url}, kubeconfig {stack.kubeconfig}", good=True)
    return stack


async def _stay(console: Console, stack: Stack) -> None:
    console.print("\nEverything goes on until Ctrl-C. In another terminal:\n")
    console.print(f"  export CASTWARDEN={stack.api_url} KEY={stack.api_key}", highlight=False, soft_wrap=True)
    console.print(f"  export KUBECONFIG={stack.kubeconfig}", highlight=False, soft_wrap=True)
    console.print("  kubectl get castwarden")
    console.print('  curl -s $CASTWARDEN/api/v1/events -H "Authorization: Bearer $KEY"', highlight=False)
    await asyncio.Event().wait()
