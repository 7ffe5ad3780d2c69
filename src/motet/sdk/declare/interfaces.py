"""What callers in other languages are told of a function: read from its annotations and docstring when its app is deployed."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from motet.model.function import FunctionSpec, MethodSpec
from motet.model.interface import InterfaceSpec
from motet.sdk.declare import user_class
from motet.sdk.declare.definition import Code
from motet.wire.signature import Signature

MAX_SCHEMA = 64 * 1024
"""Characters; a longer one says nothing."""


def with_interface(method: MethodSpec, function: FunctionSpec, code: Code) -> MethodSpec:
    """The method with what its callable says of itself; as it is, if that says nothing or is for requests."""
    if method.web is not None:
        return method
    call: Callable[..., Any] = code
    if isinstance(code, type):
        call = functools.partial(user_class.raw_method(code, method.name), None)  # the object's place is taken
    try:
        signature = Signature(call, batched=function.batching is not None)
        arguments, result = json.dumps(signature.parameters()), json.dumps(signature.result())
    except Exception:  # whatever somebody's annotations do: the function can be called all the same
        return method
    if len(arguments) > MAX_SCHEMA or len(result) > MAX_SCHEMA:
        arguments = result = "{}"
    return replace(
        method, interface=InterfaceSpec(description=signature.description, arguments=arguments, result=result)
    )
