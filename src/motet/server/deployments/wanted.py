"""Which containers a version is to have before it takes over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from motet.errors import Error
from motet.model.function import FunctionVariant, ImportedDefinition
from motet.server.apps.catalogue import Catalogue
from motet.server.deployments.register import Deployment

START_MARGIN = 5.0
"""Seconds beyond its `startup_timeout` in which a container must be ready: it may have to wait for its turn."""


@dataclass(frozen=True, slots=True)
class WantedContainers:
    """So many containers of a function, called so. `replaces`: the version before has some of it."""

    name: str
    containers: int
    replaces: bool = False


def containers_wanted(
    catalogue: Catalogue,
    old: Deployment | None,
    new: Deployment,
    variants: Iterable[tuple[str, FunctionVariant, str]],
) -> dict[str, WantedContainers]:
    """What is wanted of functions, by id. Those that had some in the version before have as many, and so
    have `variants` of it (label, what changes, id); if there are none at all, one shows that the code can be imported."""
    before = {} if old is None else old.ids
    ids = new.ids
    wanted: dict[str, WantedContainers] = {}
    for label, function_id in ids.items():
        function = new.app.declared[function_id]
        had = catalogue.containers(before[label]) if label in before else 0
        count = max(had, function.autoscaler.min_containers)
        if count and function.has_pool:
            wanted[function_id] = WantedContainers(function.name, count, replaces=had > 0)
    for label, variant, old_id in variants:
        count = catalogue.containers(old_id)
        if count and label in ids and (varied := _bound(catalogue, ids[label], variant)) is not None:
            wanted[varied] = WantedContainers(label, count, replaces=True)
    return wanted or _one_to_import(new)


def patience_for(new: Deployment) -> float:
    """Seconds in which they must be ready."""
    return max((it.startup_timeout for it in new.app.declared.values()), default=0.0) + START_MARGIN


def _bound(catalogue: Catalogue, function_id: str, variant: FunctionVariant) -> str | None:
    try:
        return catalogue.bind(function_id, variant)
    except Error:
        return None  # its parameters are others now: whoever calls it is told


def _one_to_import(new: Deployment) -> dict[str, WantedContainers]:
    for function_id, function in new.app.declared.items():
        imported = isinstance(function.definition, ImportedDefinition)
        if imported and function.has_pool and not function.is_class and not function.resources.gpu:
            return {function_id: WantedContainers(function.name, 1)}
    return {}
