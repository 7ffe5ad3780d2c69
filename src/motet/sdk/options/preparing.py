"""A function that prepares an image, as a step of it: where it is found, and what stands for its code."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable
from typing import Any

from motet.errors import InvalidError
from motet.model.image import PreparingFunction
from motet.sdk.options.checks import type_name


def preparing(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float, options: dict[str, Any]
) -> PreparingFunction:
    """The step. Raises `InvalidError` for what is no function of a module, or arguments that cannot be pickled."""
    raw = inspect.unwrap(function)
    if not inspect.isfunction(raw):
        raise InvalidError(f"Argument to Image.run_function must be a function, not {type_name(function)}.")
    return PreparingFunction(
        module=raw.__module__,
        qualname=raw.__qualname__,
        file=os.path.abspath(raw.__code__.co_filename),
        source=hashlib.sha256(_source(raw)).hexdigest(),
        arguments=_pickled(raw, args, kwargs) if args or kwargs else b"",
        timeout=timeout,
        **options,
    )


def _source(function: Any) -> bytes:
    try:
        return inspect.getsource(function).encode(errors="surrogatepass")
    except (OSError, TypeError):  # defined at a prompt, or its file is gone
        code = function.__code__
        values = [value for value in code.co_consts if not hasattr(value, "co_code")]
        return bytes(code.co_code) + repr((code.co_names, values)).encode()


def _pickled(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    import cloudpickle  # late: few such functions have arguments

    try:
        pickled: bytes = cloudpickle.dumps((args, kwargs), protocol=5)
    except Exception as error:  # whatever their own code raises
        raise InvalidError(
            f"the arguments of Image.run_function({function.__qualname__}) cannot be pickled: {error}"
        ) from error
    return pickled
