"""What a deployment would change, and what would travel for it."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from motet.bundles.bundle import Bundle
from motet.client.dual import Steps
from motet.errors import NotFoundError
from motet.model.deployment import DeploymentView
from motet.model.function import FunctionSpec, ImportedDefinition
from motet.model.image import ImageSpec
from motet.sdk.run.deploying import CanBeDeployed, HowToDeploy, Prepared, prepare
from motet.wire.bundle_messages import OfferBundle
from motet.wire.deployment_messages import FindApp

_NOT_COMPARED = {
    "definition": ImportedDefinition(module="", qualname=""),
    "env": {},
    "image": ImageSpec(),
    "app_key": "",
}
"""What the server tells nobody of, and what is of no consequence."""
_MOST_NAMED = 5


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """The version that would be made, the functions that differ from those that serve now ("price (timeout)"), and what is to
    be said of the source."""

    deployment: DeploymentView
    added: list[str]
    changed: list[str]
    removed: list[str]
    source: list[str]


def dry_run(app: CanBeDeployed, wanted: HowToDeploy) -> Steps[DryRun]:
    """Ask the server what it would do; nothing is changed there. Raises as `deploy` does."""
    ready = yield from prepare(app, wanted)
    reply = yield from ready.connection.request(ready.message(wanted, dry_run=True))
    before, specs = yield from _before(ready)
    old = {spec.name: spec for spec in specs}
    new = {spec.name: spec for spec in ready.spec.functions}
    changes = {name: _differences(old[name], spec) for name, spec in new.items() if name in old}
    return DryRun(
        deployment=reply.deployment,
        added=[name for name in new if name not in old],
        changed=[f"{name} ({', '.join(found)})" for name, found in changes.items() if found],
        removed=[name for name in old if name not in new],
        source=(yield from _source(ready, before)),
    )


def _before(ready: Prepared) -> Steps[tuple[DeploymentView | None, list[FunctionSpec]]]:
    try:
        found = yield from ready.connection.request(FindApp(ready.spec.name))
    except NotFoundError:
        return None, []
    return found.deployment, found.specs


def _differences(old: FunctionSpec, new: FunctionSpec) -> list[str]:
    old, new = replace(old, **_NOT_COMPARED), replace(new, **_NOT_COMPARED)
    return [name for name in old.__struct_fields__ if getattr(old, name) != getattr(new, name)]


def _source(ready: Prepared, before: DeploymentView | None) -> Steps[list[str]]:
    bundle: Bundle = ready.bundle
    files = bundle.manifest.files
    offered = yield from ready.connection.request(OfferBundle(list(files)))
    lacking = [file for file in files if file.piece in set(offered.lacking)]
    told = [f"source: {_many(len(files), bundle.manifest.size)}"]
    if before is not None and before.bundle == bundle.manifest.digest:
        told = [f"{told[0]}, as in v{before.version}"]
    elif lacking:
        names = ", ".join(file.path for file in lacking[:_MOST_NAMED])
        more = f" and {len(lacking) - _MOST_NAMED} more" if len(lacking) > _MOST_NAMED else ""
        told.append(f"to be sent: {_many(len(lacking), sum(file.size for file in lacking))}: {names}{more}")
    else:
        told.append("to be sent: nothing, the server has all of it")
    return [*told, *bundle.notes]


def _many(files: int, size: int) -> str:
    amount = f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 1024:.1f} KiB"
    return f"{files:,} file{'' if files == 1 else 's'}, {amount}"
