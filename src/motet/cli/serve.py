"""`motet serve`: an app that stays up until Ctrl-C or SIGTERM, and follows the file it is in."""

from __future__ import annotations

import itertools
import os
import sys
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click

from motet.cli.interrupts import Terminated, handled_interrupts
from motet.cli.loading import ProgramFailed, module_directory
from motet.cli.options import errors_on_a_line, isolation_option
from motet.cli.program_streams import write_pipes_by_line
from motet.cli.terminal import tell
from motet.cli.tracebacks import user_traceback
from motet.cli.which_app import app_of, loaded
from motet.client.reach import named
from motet.client.scratch import Scratch
from motet.client.settings import SERVER
from motet.context.sources import Sources, in_use, use
from motet.errors import Error
from motet.sdk.declare.app import App
from motet.sdk.run.app_run import AppRun
from motet.sdk.run.output import enable_output

DRAIN_POLL = 0.1
_INSTALLED = tuple({f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class Version:
    """The app as it was at one time, running."""

    def __init__(self, app: App, *, dashboard: bool) -> None:
        self._app = app
        # On a server that others use, URLs may be those of what is deployed there.
        self._run: AppRun[App] = AppRun(app, dashboard=dashboard, is_temporary=named(os.environ) is not None)
        self._run.__enter__()
        assert app.running is not None
        self.connection = app.running.connection

    def show_urls(self) -> None:
        """Print where its web functions are."""
        running = self._app.running
        for name, url in sorted(running.web_urls.items()) if running is not None else ():
            tell(f"{name}: {url}")

    def drain(self, hurry: threading.Event) -> None:
        """Stop it once nothing runs or waits any more, or `hurry` is set."""
        while not hurry.wait(DRAIN_POLL) and self._is_busy():
            pass
        self.stop()

    def _is_busy(self) -> bool:
        running = self._app.running
        if running is None:
            return False
        return any(view.running_inputs or view.waiting_inputs for view in running.view().functions)

    def stop(self) -> None:
        """Cancel what it does, and stop its containers. If its server has gone, there is nothing to stop."""
        try:
            self._run.__exit__(None, None, None)
        except Error:
            if not self.connection.ended:
                raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is to be served: a file or a module, and which of its apps (None: its only one)."""

    source: str
    app_name: str | None
    is_module: bool

    def directory(self) -> Path:
        """The program's directory, which is watched. Raises `click.UsageError`."""
        return module_directory(self.source) if self.is_module else Path(self.source).resolve().parent


class Program:
    """The program that is served. Each version of it keeps the text of its modules, for as long as it runs."""

    def __init__(self, served: Served, scratch: Path, *, dashboard: bool) -> None:
        self._served = served
        self._dashboard = dashboard
        self._scratch = scratch
        self._versions = 0
        self._search_path = sys.path[:]
        self._not_its_own = frozenset(sys.modules)

    def load(self) -> Version:
        """The program as it is now, running. Raises `click.UsageError`, `SystemExit`, or Motet's errors."""
        self._versions += 1
        sources = Sources(self._scratch / str(self._versions))
        sys.path[:] = self._search_path
        if self._served.is_module or Path(self._served.source).is_file():
            sources.take(self._served.directory())
        use(sources)
        module = loaded(self._served.source, is_module=self._served.is_module)
        for own in self._own_modules().values():
            sources.take_file(Path(str(own.__file__)))
        return Version(
            app_of(module, self._served.source, self._served.app_name, "to be served"), dashboard=self._dashboard
        )

    def reload(self) -> Version | None:
        """The newest version, running; None, with the reason printed, if there is none."""
        sources, search_path, modules = in_use(), sys.path[:], self._own_modules()
        for name in modules:
            del sys.modules[name]
        try:
            return self.load()
        except click.ClickException as error:
            tell(error.format_message(), err=True)
        except (KeyboardInterrupt, Terminated):
            raise
        except ProgramFailed:
            pass  # its traceback has been printed
        except SystemExit as ended:
            tell(_why(ended), err=True)
        except (Error, OSError) as error:
            tell(user_traceback(error), err=True, nl=False)
        use(sources)
        sys.path[:] = search_path
        for name in self._own_modules():
            del sys.modules[name]
        sys.modules.update(modules)
        tell("The version before it is still served.", err=True)
        return None

    def _own_modules(self) -> dict[str, ModuleType]:
        """The modules that came with the program and are no installed package: those that are imported anew."""
        return {
            name: module
            for name, module in list(sys.modules.items())
            if name not in self._not_its_own
            and name.partition(".")[0] != "motet"
            and _is_own(getattr(module, "__file__", None))
        }


def _is_own(file: object) -> bool:
    if not isinstance(file, str) or not file.endswith(".py"):
        return False
    return not file.startswith(_INSTALLED) and not {"site-packages", "dist-packages"} & set(Path(file).parts)


def _why(ended: SystemExit) -> str:
    """What a program that ends itself while it is imported has to say, as Python would print it."""
    if ended.code is None or isinstance(ended.code, int):
        return f"The program ended itself, with status {int(ended.code or 0)}, while it was imported."
    return str(ended.code)


def serve(served: Served, *, dashboard: bool = False) -> int:
    """Serve an app of a program until Ctrl-C; on each save, a new version takes the requests that come from then on.

    Requests under way end on the version that took them. A version that cannot be imported or started is reported, and
    the one before it goes on.
    """
    sys.dont_write_bytecode = True  # a file saved twice within a second would be taken for the first one's bytecode
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    hurry, gone = threading.Event(), threading.Event()
    reasons: list[Exception] = []

    def watch_server(of: Version) -> None:
        """The one that is served: those before it end by themselves."""

        def lost(error: Exception) -> None:
            if of is version:
                reasons.append(error)
                gone.set()

        of.connection.when_lost(lost)

    draining: list[threading.Thread] = []
    with (
        Scratch("serve") as scratch,
        handled_interrupts() as interrupts,
        enable_output(),
    ):
        program = Program(served, scratch.path, dashboard=dashboard)
        saves = _saves(served.directory(), scratch.path, gone)
        next(saves)
        try:
            version = program.load()
        except Error as error:
            raise click.ClickException(str(error)) from error
        watch_server(version)
        try:
            version.show_urls()
            tell(f"Serving {served.source}; saving it reloads it, Ctrl-C ends it.", err=True)
            for _ in saves:
                newer = program.reload()
                if newer is not None:
                    thread = threading.Thread(target=version.drain, args=(hurry,), name="motet-drain")
                    thread.start()
                    draining.append(thread)
                    version = newer
                    watch_server(version)
                    version.show_urls()
                    tell(f"Reloaded {served.source}.", err=True)
        except (KeyboardInterrupt, Terminated):
            tell("Stopping (Ctrl-C again ends at once)", err=True)
        finally:
            interrupts.closing = True
            hurry.set()
            for thread in draining:
                thread.join()
            why = reasons[:1]  # before it is stopped, which may end the connection as well
            version.stop()
    if why:
        raise click.ClickException(f"Nothing is served any more: {why[0]}")
    return 0


def _saves(directory: Path, scratch: Path, gone: threading.Event) -> Iterator[object]:
    """One item when watching has begun, then one for each save, or several close ones, of a Python file, until `gone`."""
    try:
        # Late: an optional package, and no other command needs it.
        from watchfiles import PythonFilter, watch
    except ImportError:
        tell("Saving does not reload: that needs `pip install 'motet[web]'` (watchfiles).", err=True)
        yield None
        gone.wait()
        return
    # It does not say when it has begun to watch, and a save before that would be lost: so files are written until it sees one.
    probes = scratch / "probes"
    probes.mkdir()
    seen = threading.Event()
    thread = threading.Thread(target=_write_probes, args=(probes, seen), name="motet-probes", daemon=True)
    thread.start()
    saves = watch(directory, probes, watch_filter=PythonFilter(), stop_event=gone)
    try:
        first = next(saves)
    finally:
        seen.set()
        thread.join()
    yield first
    for changes in saves:
        if any(not Path(file).is_relative_to(probes) for _, file in changes):
            yield changes


def _write_probes(directory: Path, seen: threading.Event) -> None:
    for number in itertools.count():
        (directory / f"probe{number}.py").touch()
        if seen.wait(0.2):  # longer than watchfiles waits for more of the same
            return


_FILE = click.Path(exists=True, dir_okay=False)


@click.command("serve")
@click.argument("reference", metavar="FILE[::APP]")
@click.option("-m", "module", is_flag=True, help="The argument begins with a module (package.module::APP), not a file.")
@click.option("--host", metavar="ADDRESS", help="Listen there; 0.0.0.0 is every IPv4 address. Default: 127.0.0.1.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="The first function's port; others have the next ones. Default: one made of each label.",
)
@click.option(
    "--tls-certificate", type=_FILE, help="Speak HTTPS, with the certificate (and its chain) in this PEM file."
)
@click.option("--tls-key", type=_FILE, help="The certificate's key, if it is not in the same file.")
@click.option("--url", metavar="URL", help="What leads here: https://apps.example.com, or https://{label}.example.com.")
@click.option(
    "--forwarded-allow-ips",
    metavar="NETWORKS",
    help="Proxies whose X-Forwarded headers are believed, such as 10.0.0.2,192.168.0.0/16, or *. Default: 127.0.0.1,::1.",
)
@isolation_option
@click.option("--dashboard", is_flag=True, help="Serve pages that show the app, and print where they are.")
@click.option(
    "--server",
    metavar="SERVER",
    help="Serve there, under labels that end in -dev. Default: what MOTET_SERVER or a profile names, or a server of its own.",
)
def serve_command(
    reference: str, module: bool, dashboard: bool, server: str | None, **options: str | int | None
) -> None:
    """Keep the web functions of an app up until Ctrl-C, and reload them when a file is saved.

    URLs stay the same. Requests under way end on the code they began with; a file with an error leaves the version before
    it in service. Each option has an environment variable: --tls-key is MOTET_WEB_TLS_KEY, and so on.
    """
    if server:
        os.environ[SERVER] = server
    with errors_on_a_line():
        there = named(os.environ)
    for option, value in options.items():
        if value is not None and there is not None:
            raise click.UsageError(
                f"--{option.replace('_', '-')} is for a server of this program's own, and another is named, at "
                f"{there.address}: web functions are served there as that one was started"
            )
        if value is not None:
            os.environ[f"MOTET_WEB_{option.upper()}"] = str(value)
    if there is not None and (ignored := sorted(name for name in os.environ if name.startswith("MOTET_WEB_"))):
        tell(
            f"Not used: {', '.join(ignored)}. Web functions are served as the server at {there.address} was started.",
            err=True,
        )
    write_pipes_by_line()
    source, _, name = reference.partition("::")
    sys.exit(serve(Served(source=source, app_name=name or None, is_module=module), dashboard=dashboard))
