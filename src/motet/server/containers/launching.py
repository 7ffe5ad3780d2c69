"""What a container is started with, beside its address and token: its environment, and the template it is forked from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import msgspec

from motet.model.function import FunctionSpec, ImportedDefinition
from motet.model.isolation import Walls
from motet.model.template import TemplateSpec
from motet.wire.container_messages import Configure
from motet.wire.template import Preload, encode_preload

_IDENTITY = ("MOTET_CONTAINER_ID", "MODAL_TASK_ID")
"""Which container it is: a template is none."""

_READ_AT_START = (
    "PYTHONHASHSEED",
    "PYTHONMALLOC",
    "PYTHONDEVMODE",
    "PYTHONFAULTHANDLER",
    "PYTHONTRACEMALLOC",
    "PYTHONINTMAXSTRDIGITS",
    "PYTHONNODEBUGRANGES",
    "PYTHONUTF8",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "GLIBC_TUNABLES",
    "MALLOC_",
)
"""Variables, or how their names begin, that the interpreter, the loader and the allocator read once, before any of our code."""

_encode_configuration = msgspec.msgpack.Encoder().encode


def environment(
    base: Mapping[str, str], configuration: Configure, container_id: str, gpus: Sequence[str]
) -> dict[str, str]:
    """All variables of a container: what it inherits, what its function gives, and who it is."""
    env = {
        **base,
        # GPUs are for those who ask for them.
        "CUDA_VISIBLE_DEVICES": "",
        **activated(base, configuration.spec.image.python),
        **configuration.spec.image.env,
        **configuration.spec.env,
        "MOTET_CONTAINER_ID": container_id,
        "MOTET_APP_ID": configuration.app_id,
        "MOTET_IS_REMOTE": "1",
        # The names Modal programs look for.
        "MODAL_TASK_ID": container_id,
        "MODAL_IS_REMOTE": "1",
    }
    if gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    return env


def activated(base: Mapping[str, str], python: str) -> dict[str, str]:
    """What activating the environment of an image sets: programs that are started by their name are the environment's."""
    if not python:
        return {}
    directory = os.path.dirname(python)
    return {
        "VIRTUAL_ENV": os.path.dirname(directory),
        "PATH": os.pathsep.join(filter(None, (directory, base.get("PATH", os.defpath)))),
    }


def template(configuration: Configure, env: Mapping[str, str], walls: Walls) -> TemplateSpec:
    """What a container with this environment and these walls is forked from."""
    image = configuration.spec.image
    if walls.isolation == "oci" and image.oci is not None:
        # What the image says of its environment: a container has it under what its function gives.
        return TemplateSpec(
            walls=walls, python=image.oci.python, image=image.oci.name, env=encoded(dict(image.oci.env))
        )
    given = {**image.env, **configuration.spec.env}
    at_start = {name: value for name, value in given.items() if name.startswith(_READ_AT_START)}
    preload = _preload(configuration, env) if configuration.spec.memory_snapshot else b""
    return TemplateSpec(python=image.python, walls=walls, preload=preload, env=encoded(at_start))


def _preload(configuration: Configure, env: Mapping[str, str]) -> bytes:
    """Everything that what is imported can depend on, and nothing else: equal ones share a template."""
    meanwhile = {name: value for name, value in env.items() if name not in _IDENTITY}
    # No GPU is granted to a template.
    meanwhile["CUDA_VISIBLE_DEVICES"] = ""
    imported = msgspec.structs.replace(
        configuration, function_id="", spec=_imported(configuration.spec), functions=[], web_urls=[], survives=False
    )
    return encode_preload(Preload(_encode_configuration(imported), encoded(meanwhile)))


def _imported(spec: FunctionSpec) -> FunctionSpec:
    """The object of a class is made, and has hooks run; of functions the module is imported, which several may share."""
    definition = spec.definition
    if isinstance(definition, ImportedDefinition) and not spec.is_class:
        definition = msgspec.structs.replace(definition, qualname="")
    return FunctionSpec(
        name="",
        app_name=spec.app_name,
        definition=definition,
        methods=(),
        is_class=spec.is_class,
        parameters=spec.parameters,
        parameters_given=spec.parameters_given,
        concurrency=spec.concurrency,
        app_key=spec.app_key,
    )


def encoded(env: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    """An environment as a template is told of it."""
    return tuple(sorted((os.fsencode(name), os.fsencode(value)) for name, value in env.items()))
