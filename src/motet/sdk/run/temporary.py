"""An app that is served for a while beside deployed ones: its URLs are others than theirs."""

from __future__ import annotations

from msgspec.structs import replace

from motet.model.function import AppSpec, MethodSpec

SUFFIX = "-dev"
_MAX_LABEL = 63


def temporary(spec: AppSpec) -> AppSpec:
    """The same with another name and other labels, and none of its custom domains."""
    functions = tuple(replace(it, methods=tuple(map(_method, it.methods))) for it in spec.functions)
    return replace(spec, name=f"{spec.name}{SUFFIX}", functions=functions)


def _method(method: MethodSpec) -> MethodSpec:
    if method.web is None:
        return method
    label = method.web.label
    if label is not None:
        label = f"{label[: _MAX_LABEL - len(SUFFIX)]}{SUFFIX}"
    return replace(method, web=replace(method.web, label=label, custom_domains=()))
