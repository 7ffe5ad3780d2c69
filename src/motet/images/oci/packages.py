"""The steps that install Python and its packages, as commands of uv."""

from __future__ import annotations

import shlex

from motet.errors import InvalidError
from motet.images.oci.run_instruction import BUILD, UV, RunInstructions, digest_of
from motet.images.oci.stages import WrittenText
from motet.images.options import UvOptions
from motet.model.image import BuildStep, LockedProject, PythonPackages

# --system: what the image calls python3. Debian's says that it belongs to Debian; in an image it belongs to the image.
_INSTALL = "pip install --system --break-system-packages --compile-bytecode"
PYTHONS = "/opt/python"


def python_instruction(runs: RunInstructions, step: BuildStep, version: str) -> str:
    """Adds a Python to an image, as `python3`."""
    found = f"$({UV} python find --managed-python {shlex.quote(version)})"
    return runs.with_uv(
        step,
        f"UV_PYTHON_INSTALL_DIR={PYTHONS} sh -e -c "
        + shlex.quote(
            f"{UV} python install {shlex.quote(version)}; "
            f'for name in python python3; do ln -sf "{found}" /usr/local/bin/$name; done'
        ),
    )


def python_packages(runs: RunInstructions, step: PythonPackages) -> str:
    """Installs packages from an index."""
    options = [
        *(("--index-url", step.index_url) if step.index_url else ()),
        *(word for url in step.extra_index_url.split() for word in ("--extra-index-url", url)),
        # As pip does it, for steps that are written for pip; see `UvOptions`.
        *(("--index-strategy", "unsafe-best-match") if UvOptions.of(step).best_of_all else ()),
        *(("--find-links", step.find_links) if step.find_links else ()),
        *(("--prerelease", "allow") if step.pre else ()),
    ]
    uv = f"{UV} tool run --from {shlex.quote(f'uv=={step.uv_version}')} uv" if step.uv_version else UV
    words = f"{uv} {_INSTALL}"
    for word in options:
        words += f" {shlex.quote(word)}"
    if step.extra_options:
        words += f" {step.extra_options}"
    named, mounts = _named(runs, step.lines, step.constraints)
    return runs.with_uv(step, f"{_private(step)}{words}{named}", mounts)


def project(runs: RunInstructions, step: LockedProject) -> str:
    """Installs what a project depends on, as its lock file says."""
    if step.tool == "poetry":
        named, mounts = _named(runs, step.lines, step.constraints)
        sources = "".join(f" --extra-index-url {shlex.quote(url)}" for url in step.indexes)
        if UvOptions.of(step).best_of_all:
            sources += " --index-strategy unsafe-best-match"
        return runs.with_uv(step, f"{UV} {_INSTALL}{sources}{named}", mounts)
    if not step.pyproject:
        raise InvalidError(f"{step}: there is no pyproject.toml in {step.directory}")
    directory = f"projects/{digest_of(f'{step.pyproject} {step.lock}'.encode(errors='surrogatepass'))}"
    runs.files[f"{directory}/pyproject.toml"] = WrittenText(step.pyproject)
    if step.lock:
        runs.files[f"{directory}/uv.lock"] = WrittenText(step.lock)
    options = [
        *(word for extra in step.extras for word in ("--extra", extra)),
        *(word for group in step.groups for word in ("--group", group)),
        *(word for group in step.without for word in ("--no-group", group)),
        *(word for group in step.only for word in ("--only-group", group)),
        *(("--frozen",) if step.lock and step.frozen else ()),
    ]
    chosen = "".join(f" {shlex.quote(word)}" for word in options)
    extra = f" {step.extra_options}" if step.extra_options else ""
    # Not `uv sync`: that makes an environment beside the image's own Python, which would not see it.
    exported = "/tmp/motet-requirements.txt"
    command = (
        f"{UV} export --quiet --project {BUILD}/project --no-emit-project{chosen}{extra} --output-file {exported} && "
        f"{UV} {_INSTALL} --requirement {exported} && rm {exported}"
    )
    return runs.with_uv(step, command, [f"--mount=type=bind,source={directory},target={BUILD}/project,rw"])


def _named(runs: RunInstructions, lines: tuple[str, ...], constraints: tuple[str, ...]) -> tuple[str, list[str]]:
    """What to install, as words of a command, and the files that it takes. Hashes and options are said in a file alone."""
    words, mounts = "", []
    if any(line.startswith("-") or " --" in line for line in lines):
        mounts.append(_mounted(runs, "requirements", lines))
        words += f" --requirement {BUILD}/requirements.txt"
    else:
        words += "".join(f" {shlex.quote(line)}" for line in lines)
    if constraints:
        mounts.append(_mounted(runs, "constraints", constraints))
        words += f" --constraint {BUILD}/constraints.txt"
    return words, mounts


def _mounted(runs: RunInstructions, kind: str, lines: tuple[str, ...]) -> str:
    path = runs.file(kind, "".join(f"{line}\n" for line in lines), ".txt")
    return f"--mount=type=bind,source={path},target={BUILD}/{kind}.txt"


def _private(step: PythonPackages) -> str:
    """How git gets at private repositories: with the token among the step's secrets, which no instruction names."""
    if not step.git_user:
        return ""
    count, words = 0, ""
    for host, variable in (("github.com", "GITHUB_TOKEN"), ("gitlab.com", "GITLAB_TOKEN")):
        if variable in step.secrets:
            words += (
                f'GIT_CONFIG_KEY_{count}="url.https://{step.git_user}:${{{variable}}}@{host}/.insteadOf" '
                f"GIT_CONFIG_VALUE_{count}=https://{host}/ "
            )
            count += 1
    return f"export GIT_CONFIG_COUNT={count} {words}; " if count else ""
