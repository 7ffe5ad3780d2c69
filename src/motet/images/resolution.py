"""From the steps of a recipe to a lock: each package in one version, with the hashes of its files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from motet.errors import ImageBuildError
from motet.images.options import UvOptions
from motet.images.programs import Programs
from motet.images.recipe import Recipe
from motet.model.image import LockedProject, PythonPackages

Steps = Sequence[tuple[PythonPackages | LockedProject, tuple[str, ...]]]
"""Steps with their requirements."""
Attempt = tuple[Steps, Sequence[str], Sequence[str]]
"""Steps, the constraints that hold, and the options of uv."""

_NAME = re.compile(r"^(?:-e\s+)?([A-Za-z0-9][A-Za-z0-9._-]*)")


def resolved(recipe: Recipe, python: str, constraints: Sequence[str], programs: Programs, directory: Path) -> str:
    """The lock, as a file of requirements. Steps are taken in order, as if each were installed on top of those before it: what
    they have chosen is kept, if it can be. `constraints` hold throughout. Raises `ImageBuildError` in the resolver's words.
    """
    lock = ""
    done: list[tuple[PythonPackages | LockedProject, tuple[str, ...]]] = []
    for number, step in enumerate(recipe.packages):
        place = directory / f"step-{number}"
        place.mkdir(parents=True)
        lines = _lines(step, python, programs, place)
        options = UvOptions.of(step)
        env = build_variables(step)
        if options.without_dependencies:
            alone = _compiled([(step, lines)], [], [*options.arguments(), "--no-deps"], python, programs, place, env)
            lock = _text({**_entries(lock), **_entries(alone)})
            continue
        done.append((step, lines))
        together = list(UvOptions.together(UvOptions.of(each) for each, _ in done).arguments())
        held = [*constraints, *step.constraints]
        own: Attempt = [(step, lines)], held, list(options.arguments())
        # With what was chosen before; or else with what was asked for before; or else by itself, as pip does it.
        attempts: list[Attempt] = [(done, [*held, *_pins(lock)], together)]
        if lock:
            attempts += [(done, held, together), own]
        found = _apart(lock, own, together, python, programs, place, env)
        lock = _merged(lock, found or _first(attempts, python, programs, place, env))
    return lock


def _apart(
    lock: str,
    own: Attempt,
    together: Sequence[str],
    python: str,
    programs: Programs,
    place: Path,
    env: dict[str, str],
) -> str:
    """Of a step that takes its packages from elsewhere than those before it: its own lock, if it has nothing in common with
    theirs, so that none of the indexes is asked for what another one is for; "" otherwise."""
    steps, constraints, options = own
    if not lock or list(options) == list(together):
        return ""
    try:
        found = _compiled(steps, constraints, options, python, programs, place, env)
    except ImageBuildError:
        return ""
    return "" if _entries(found).keys() & _entries(lock).keys() else found


def _first(attempts: Sequence[Attempt], python: str, programs: Programs, place: Path, env: dict[str, str]) -> str:
    """The lock of the first of these that can be resolved. Raises what keeps the last one from it."""
    for steps, constraints, options in attempts[:-1]:
        try:
            return _compiled(steps, constraints, options, python, programs, place, env)
        except ImageBuildError:
            programs.log.line("That does not go with what earlier steps have chosen: it is chosen anew")
    steps, constraints, options = attempts[-1]
    return _compiled(steps, constraints, options, python, programs, place, env)


def build_variables(step: PythonPackages | LockedProject) -> dict[str, str]:
    """The variables of a step, with what git needs to reach private repositories."""
    env = {**step.env, **step.secrets}
    if isinstance(step, PythonPackages) and step.git_user:
        for host, variable in (("github.com", "GITHUB_TOKEN"), ("gitlab.com", "GITLAB_TOKEN")):
            if token := env.get(variable):
                env["GIT_CONFIG_COUNT"] = "1"
                env["GIT_CONFIG_KEY_0"] = f"url.https://{step.git_user}:{token}@{host}/.insteadOf"
                env["GIT_CONFIG_VALUE_0"] = f"https://{host}/"
    return env


def _lines(step: PythonPackages | LockedProject, python: str, programs: Programs, place: Path) -> tuple[str, ...]:
    """Requirements alone: options are said to uv."""
    if isinstance(step, LockedProject) and step.tool == "uv" and step.pyproject:
        return _exported(step, python, programs, place)
    return tuple(line for line in step.lines if not line.startswith("-") or line.startswith(("-e", "--editable")))


def _exported(step: LockedProject, python: str, programs: Programs, place: Path) -> tuple[str, ...]:
    (place / "pyproject.toml").write_text(step.pyproject, encoding="utf-8")
    if step.lock:
        (place / "uv.lock").write_text(step.lock, encoding="utf-8")
    said = programs.uv(
        "export",
        *(["--frozen"] if step.lock and step.frozen else []),
        *("--no-emit-workspace", "--no-header", "--no-annotate", "--format", "requirements-txt", "--quiet"),
        *(word for extra in step.extras for word in ("--extra", extra)),
        *(word for group in step.groups for word in ("--group", group)),
        *("--python", python),
        *step.extra_options.split(),
        what=f"Image.{step}: reading the project's lock file",
        env=build_variables(step),
        cwd=place,
    )
    # A requirement and its hashes are one line.
    joined = said.replace("\\\n", " ").splitlines()
    return tuple(" ".join(line.split()) for line in joined if line.strip() and not line.startswith("#"))


def _compiled(
    steps: Steps,
    constraints: Sequence[str],
    options: Sequence[str],
    python: str,
    programs: Programs,
    place: Path,
    env: dict[str, str],
) -> str:
    files = []
    for number, (_, lines) in enumerate(steps):
        files.append(place / f"requirements-{number}.in")
        files[-1].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    held = place / "constraints.txt"
    held.write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
    return programs.uv(
        *("pip", "compile", "--generate-hashes", "--no-header", "--no-annotate", "--quiet", "--python", python),
        *("--constraint", str(held)),
        *options,
        *map(str, files),
        what=f"Image.{steps[-1][0]}: resolving its packages",
        env=env,
    )


def _entries(lock: str) -> dict[str, str]:
    """A lock's lines by package: a requirement with its hashes."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if not line[0].isspace():
            match = _NAME.match(line)
            name = re.sub(r"[-_.]+", "-", match.group(1)).lower() if match else line
            found[name] = ""
        found[name] += f"{line}\n"
    return found


def _merged(before: str, after: str) -> str:
    """The later lock, with what an earlier step has that the later ones did not ask for: without its dependencies."""
    return _text({**_entries(before), **_entries(after)}) if before else after


def _text(entries: dict[str, str]) -> str:
    return "".join(entries[name] for name in sorted(entries))


def _pins(lock: str) -> list[str]:
    return [text.split("\\")[0].split(" --hash")[0].strip() for text in _entries(lock).values() if "==" in text]
