"""The step that runs a function in the image so far."""

from __future__ import annotations

import os
import shlex

from motet.errors import InvalidError
from motet.images.oci.run_instruction import BUILD, RunInstructions, digest_of
from motet.images.oci.stages import Bytes, Copied, RuntimeFiles
from motet.model.image import PreparingFunction

RUNTIME = "/opt/motet"
"""Where an image finds Motet, while it is built and in containers. It is no part of the image."""


def preparing_instruction(runs: RunInstructions, step: PreparingFunction) -> str:
    """Runs the function by Motet's runtime, with the source of its module, or of the package that has it."""
    if "<" in step.qualname:
        raise InvalidError(
            f"Image.run_function({step.qualname}): the build imports the function, which is to be at the top level of a module"
        )
    runs.files["runtime"] = RuntimeFiles()
    # Not by what the module holds: another line of it that the function does not use is no other image.
    source = f"functions/{step.source[:16] or digest_of(step.qualname.encode())}"
    name, within, copied = _source(step)
    runs.files[f"{source}/{name}"] = copied
    mounts = [
        f"--mount=type=bind,source=runtime,target={RUNTIME}",
        f"--mount=type=bind,source={source},target={BUILD}/source",
    ]
    program = f"{RUNTIME}/motet/runtime/lifecycle/prepare.py"
    words = ["-P", program, f"{BUILD}/source", step.module, step.qualname, os.path.join(name, within)]
    if step.arguments:
        path = f"arguments/{digest_of(step.arguments)}"
        runs.files[path] = Bytes(step.arguments)
        mounts.append(f"--mount=type=bind,source={path},target={BUILD}/arguments")
        words.append(f"{BUILD}/arguments")
    return runs.shell(step, f"timeout {step.timeout:g} python3 {shlex.join(words)}", mounts)


def _source(step: PreparingFunction) -> tuple[str, str, Copied]:
    """What of this machine has the function's code: the file of a module, or the directory of its package; its name, and where
    in it the module is."""
    path = step.file
    parts = step.module.split(".")
    for _ in range(len(parts) - (0 if os.path.basename(path) == "__init__.py" else 1)):
        path = os.path.dirname(path)
    within = os.path.relpath(step.file, path)
    return os.path.basename(path), "" if within == "." else within, Copied(path)
