"""`paperlab dashboard`: the pages in the browser, served by Streamlit on this machine only."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

import paperlab
from paperlab import settings
from paperlab.cli import output
from paperlab.errors import NotReady, PaperlabError

ADDRESS = "127.0.0.1"
DEFAULT_PORT = 8501

OPTIONS: dict[str, str | bool | int] = {
    "server.address": ADDRESS,
    "server.headless": True,
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "runner.magicEnabled": False,
    "theme.baseFontSize": 14,
    "theme.primaryColor": "#3576bd",
    "theme.dark.primaryColor": "#5b9be0",  # with a colour of its own there is a dark theme, as the browser prefers
}
"""Streamlit's options; .streamlit/config.toml has the same for `streamlit run app.py`."""


def dashboard(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1; default: 8501, or the next one free.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Show papers, claims and runs in the browser.  Listens on 127.0.0.1 only; Ctrl-C stops it.

    Example: paperlab dashboard --port 8600
    """
    settings.load()  # what is wrong with the settings is said here, not on every page
    if importlib.util.find_spec("streamlit") is None:
        raise NotReady("streamlit is not installed", "pip install 'paperlab[dashboard]'")
    chosen = free_port() if port is None else port
    if not _is_free(chosen):
        raise NotReady(f"port {chosen} is taken by another program", f"paperlab dashboard --port {free_port()}")
    raise typer.Exit(_serve(chosen, open_browser=not no_browser and output.is_interactive()))


def app_file() -> Path:
    """The checkout's app.py where there is one, else the one in the wheel."""
    package = Path(paperlab.__file__).parent
    checkout = package.parent / "app.py"
    if checkout.is_file() and (package.parent / "pyproject.toml").is_file():
        return checkout
    bundled = package / "_bundled" / "app.py"
    if bundled.is_file():
        return bundled
    raise NotReady(f"app.py is missing beside {package}", "install paperlab again")


def command(port: int) -> list[str]:
    """The Streamlit command line.  Flags win over any config.toml of the user or of the current folder."""
    flags = [f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in OPTIONS.items()]
    return [sys.executable, "-m", "streamlit", "run", str(app_file()), f"--server.port={port}", *flags]


def free_port(first: int = DEFAULT_PORT) -> int:
    """The first port from `first` that nothing on this machine listens on."""
    for port in range(first, first + 100):
        if _is_free(port):
            return port
    raise NotReady(f"ports {first} to {first + 99} are all taken", "paperlab dashboard --port N")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True


def _serve(port: int, *, open_browser: bool) -> int:
    """Run the server until it ends or we are asked to stop; returns the exit code."""
    url = f"http://{ADDRESS}:{port}"
    server = subprocess.Popen(command(port), stdout=subprocess.DEVNULL)
    stopping = False

    def stop(_signum: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        server.terminate()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not stopping and not _answers(server, port):
            time.sleep(0.1)
        if not stopping:
            output.write_line(url)
            sys.stdout.flush()
            output.talk("Ctrl-C stops it; it calls nobody and nobody else can call it")
            if open_browser:
                webbrowser.open(url)
        code = server.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if server.poll() is None:
            server.kill()
    return 0 if stopping else code


def _answers(server: subprocess.Popen[bytes], port: int) -> bool:
    """Whether the server accepts connections by now.  Raises PaperlabError where it ended instead."""
    if server.poll() is not None:
        raise PaperlabError(
            f"the dashboard's server ended with exit code {server.returncode}",
            f"to see why: {subprocess.list2cmdline(command(port))}",
        )
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((ADDRESS, port)) == 0
