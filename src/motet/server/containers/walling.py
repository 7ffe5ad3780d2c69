"""What a container within walls is to see of this machine, and how much it may take: from what its function says."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from motet.backends.base import Launch
from motet.errors import ConnectionError
from motet.images.remote_paths import why_not_shown
from motet.model.function import FunctionSpec, ImportedDefinition
from motet.model.host import OWN_HOST
from motet.model.image import ImageSpec
from motet.model.isolation import (
    APP_USERS,
    FIRST_APP_USER,
    PIDS_WITHIN_WALLS,
    Isolation,
    Limits,
    Mount,
    Walls,
    is_below,
)
from motet.model.template import PLAIN_TEMPLATE, TemplateSpec
from motet.server.containers.in_image import added_files, in_image
from motet.server.containers.launching import encoded, environment, template
from motet.wire.container_messages import Configure

_WITHIN = "/run/motet"
"""Where a container within walls finds the server's socket."""
_REACHED = "walled"
"""The directory beside that socket which has it, and nothing else."""
_MIB = 2**20


def limits_of(spec: FunctionSpec) -> Limits:
    """What the function has set a limit to; within walls there is one to processes, too."""
    resources = spec.resources
    cpu, memory = resources.cpu, resources.memory_mib
    return Limits(
        cpu=cpu[1] if isinstance(cpu, tuple) else None,
        memory=memory[1] * _MIB if isinstance(memory, tuple) else None,
        pids=PIDS_WITHIN_WALLS if spec.isolation in ("bubblewrap", "oci") else None,
        disk=None if resources.disk_mib is None else resources.disk_mib * _MIB,
    )


def check_may_call(spec: FunctionSpec) -> None:
    """Raise `ConnectionError` if code of this function is to have no connection of its own."""
    if spec.restrict_modal_access:
        raise ConnectionError(
            f"{spec.name} was declared with restrict_modal_access=True: its code may call nothing here"
        )


class Walling:
    """`hidden`: directories that no container is to see, such as the server's home. `app_users`: this is root, and each app is
    to have a user of its own without other walls, too."""

    def __init__(self, hidden: tuple[str, ...], *, app_users: bool = False) -> None:
        self._hidden = hidden
        self._app_users = app_users
        self._reached: Path | None = None
        self.address = ""
        """Where containers without walls find the server."""

    def offer(self, address: str) -> str:
        """Containers reach the server at this address, which is returned."""
        self.address = address
        self._reached = self.name_again(address)
        return address

    def name_again(self, address: str) -> Path | None:
        """Give a socket a second name, in a directory that walls can be opened for: it is there for the next server, too, whose
        socket is another one. That directory, unless there is no socket."""
        kind, _, path = address.partition(":")
        if kind != "unix":
            return None
        directory = Path(path).parent / _REACHED
        directory.mkdir(mode=0o755, exist_ok=True)
        named = directory / "socket.new"
        named.unlink(missing_ok=True)
        os.link(path, named)
        if os.geteuid() == 0:  # containers are other users then; the directory above lets in nobody else
            named.chmod(0o666)
        named.rename(directory / "socket")
        return directory

    def environment(
        self, base: Mapping[str, str], configuration: Configure, container_id: str, gpus: Sequence[str]
    ) -> dict[str, str]:
        """All variables of a container; within walls it has no home but its temporary directory."""
        spec = configuration.spec
        if spec.isolation == "oci":
            # What the image says of its environment comes before it, and nothing of this machine's.
            base = {name: value for name, value in base.items() if name.startswith("MOTET_")}
        env = environment(base, configuration, container_id, gpus)
        if spec.isolation == "bubblewrap":
            env["HOME"] = {**spec.image.env, **spec.env}.get("HOME", "/tmp")
        elif self._app_users and spec.isolation in (None, "process"):
            env = {**self.of_app_user(env), **spec.image.env, **spec.env}
        return env

    def of_app_user(self, env: Mapping[str, str]) -> dict[str, str]:
        """An environment without what is the server's user's; the container puts its own directory in place of a home."""
        if not self._app_users:
            return dict(env)
        return {name: value for name, value in env.items() if name != "HOME"} | dict.fromkeys(
            ("USER", "LOGNAME"), "motet"
        )

    def launch(
        self,
        configuration: Configure,
        container_id: str,
        env: dict[str, str],
        token: str,
        note: bytes,
        gpus: Sequence[str],
        host: str = OWN_HOST,
    ) -> Launch:
        """What a backend needs to start a container."""
        bundle = "" if host == OWN_HOST or not configuration.bundle else Path(configuration.bundle).name
        walls = self.walls(configuration, gpus)
        return Launch(
            container_id=container_id,
            address=self._address(walls),
            token=token,
            env=env,
            note=note,
            template=template(configuration, env, walls),
            limits=limits_of(configuration.spec),
            host=host,
            paths=()
            if host == OWN_HOST or bundle
            else tuple(filter(None, (configuration.project_dir, configuration.sources))),
            bundle=bundle,
        )

    def walls(self, configuration: Configure, gpus: Sequence[str]) -> Walls:
        """Those of a container of this function."""
        spec = configuration.spec
        isolation = spec.isolation or "process"
        if isolation == "process" and not self._app_users:
            return Walls()
        paths = _shown(configuration, self._hidden)
        shown = (Mount(source=path, target=path) for path in paths)
        if isolation == "process":
            return self._of_app_user(_uid(configuration), *shown)
        if isolation == "oci":
            return Walls(
                isolation=isolation,
                mounts=(*self._server(), *in_image(configuration, shown)),
                network=not spec.block_network,
                gpus=bool(gpus),
            )
        return Walls(
            isolation=isolation,
            mounts=(
                *self._server(),
                *shown,
                *(it for it in added_files(configuration) if not why_not_shown(it.target, paths)),
            ),
            network=not spec.block_network,
            uid=_uid(configuration) if os.geteuid() == 0 else None,
            hidden=self._hidden,
            gpus=bool(gpus),
        )

    def without_program(
        self, isolation: Isolation, whose: str, image: ImageSpec, *, network: bool
    ) -> tuple[str, TemplateSpec]:
        """For what runs no function: where it finds the server, and what it is forked from, within walls that show nothing of a
        program but what its image adds."""
        if isolation == "process" and not self._app_users:
            return self.address, PLAIN_TEMPLATE
        files = [Mount(source=it.source, target=it.target) for it in image.files]
        if isolation == "oci" and image.oci is not None:
            runtime = Mount(source=image.oci.runtime, target=image.oci.runtime_at)
            walls = Walls(isolation=isolation, mounts=(*self._server(), runtime, *files), network=network)
            env = encoded(dict(image.oci.env))
            python, name = image.oci.python, image.oci.name
            template = TemplateSpec(walls=walls, python=python, image=name, env=env, with_entrypoint=False)
            return self._address(walls), template
        shown = [
            Mount(source=path, target=path)
            for path in (_outermost(_of_environment(image.python)) if image.python else [])
        ]
        if isolation == "process":
            walls = self._of_app_user(_uid_of(whose), *shown)
        else:
            walls = Walls(
                isolation=isolation,
                mounts=(*self._server(), *shown, *files),
                network=network,
                uid=_uid_of(whose) if os.geteuid() == 0 else None,
                hidden=self._hidden,
            )
        return self._address(walls), TemplateSpec(walls=walls)

    def _of_app_user(self, uid: int, *shown: Mount) -> Walls:
        """It sees the server's socket where that is: its mounts are for what is below directories that only root can enter."""
        socket = (Mount(source=each.source, target=each.source) for each in self._server())
        return Walls(uid=uid, mounts=(*socket, *shown))

    def _address(self, walls: Walls) -> str:
        """Where a container finds the server."""
        if self._reached is None or walls == Walls():
            return self.address
        return f"unix:{self._reached if walls.own_user is not None else _WITHIN}/socket"

    def _server(self) -> Iterator[Mount]:
        if self._reached is not None:
            yield Mount(source=str(self._reached), target=_WITHIN)


def _uid(configuration: Configure) -> int:
    """A user of the app's own: of a deployed app the same for each version."""
    return _uid_of(configuration.app_name if configuration.bundle else configuration.app_id)


def _uid_of(whose: str) -> int:
    return FIRST_APP_USER + int.from_bytes(hashlib.sha256(whose.encode()).digest()[:4]) % APP_USERS


def _shown(configuration: Configure, hidden: Sequence[str]) -> list[str]:
    """The program's own files and directories, sorted, none below another, unless that is below what is hidden."""
    directories = {configuration.project_dir, configuration.sources, configuration.bundle, *configuration.sys_path}
    files: set[str] = set()
    for definition in (configuration.main, configuration.spec.definition):
        if isinstance(definition, ImportedDefinition) and definition.file:
            files.add(definition.file)
    if configuration.spec.image.python:
        directories |= _of_environment(configuration.spec.image.python)
    paths = {*directories, *files}
    found = _outermost(paths)
    # A home in the project's directory is hidden with all that is below it.
    below = [path for path in _outermost(each for each in paths if is_below(each, hidden)) if path not in found]
    return [*found, *below]


def _outermost(paths: Iterable[str]) -> list[str]:
    """Those that are there and are not shown anyway, sorted, none below another."""
    shared = {str(Path.home()), "/tmp", "/"}
    with contextlib.suppress(KeyError):
        shared.add(os.environ["HOME"])
    found: list[str] = []
    for path in sorted({os.path.abspath(each) for each in paths if each}):
        # Of a directory that others have files in, too, only what the program is imported from.
        if path in shared or not os.path.exists(path):
            continue
        if not any(path.startswith(f"{each}/") for each in (*found, "/usr", "/proc", "/sys", "/dev", "/etc")):
            found.append(path)
    return found


def _of_environment(python: str) -> set[str]:
    """The directories of an image's environment: its own, its links to Motet, and those of the Python that it is made of."""
    environment = Path(python).parent.parent
    found = {str(environment), str(Path(os.path.realpath(python)).parent.parent)}
    for said in environment.glob("lib/python*/site-packages/motet_runtime.pth"):
        runtime = said.parent / said.read_text().strip()
        links = runtime.iterdir() if runtime.is_dir() else ()
        found |= {os.path.normpath(runtime.parent), *(str(each.resolve().parent) for each in links)}
    return found
