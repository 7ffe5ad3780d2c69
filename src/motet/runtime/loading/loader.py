"""From a function's specification to something that can be called: import, instantiate, enter, exit."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import pickle
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from motet.errors import ExecutionError
from motet.model.function import FunctionSpec, ImportedDefinition
from motet.runtime.loading.program import import_main
from motet.sdk.declare import user_class
from motet.sdk.declare.definition import unwrap
from motet.wire.parameters import decoded_parameters

Hook = Callable[[], Any]


class Service:
    """What a container serves: callables by method name, and hooks to run before the first input and after the last."""

    def __init__(
        self,
        methods: Mapping[str, Callable[..., Any]],
        enter: list[Hook],
        exit: list[Hook],
        snapshot: list[Hook] | None = None,
        instance: Any = None,
    ) -> None:
        self.methods = dict(methods)
        self.enter = enter
        self.exit = exit
        self.snapshot = snapshot or []
        """Hooks before those of `enter`, which a memory snapshot has behind it."""
        self.instance = instance
        """The object of a class."""

    def serve(self, method: str, app: Any) -> None:
        """From now on `app` takes the requests of a web method; it is stopped before the exit hooks run."""
        self.methods[method] = app
        self.exit.insert(0, app.stop)


def load(spec: FunctionSpec, instance: Any = None) -> Service:
    """Import the code and make the instance of a class, unless there is one. Raises what the user's code raises."""
    definition = spec.definition
    found: Any
    if isinstance(definition, ImportedDefinition):
        found = _resolve(_import(definition), definition.qualname)
    else:
        found = pickle.loads(definition.pickled)
    return _class_service(found, spec, instance) if spec.is_class else _function_service(found)


def _function_service(found: Any) -> Service:
    raw = unwrap(found)
    if raw is None:
        raise ExecutionError("the function's definition did not come along")
    return Service({"": raw}, [], [])


def _class_service(found: Any, spec: FunctionSpec, instance: Any) -> Service:
    cls = unwrap(found)
    if instance is None:
        parameters = decoded_parameters(spec.parameters_given) if spec.parameters_given is not None else {}
        instance = user_class.instantiate(cls, parameters)
    # Web frameworks read annotations of bound methods, not of partial functions.
    methods = {
        m.name: raw.__get__(instance) if m.web is not None else functools.partial(raw, instance)
        for m in spec.methods
        if (raw := user_class.raw_method(cls, m.name)) is not None
    }
    return Service(
        methods,
        enter=[functools.partial(hook, instance) for hook in user_class.hooks(cls, "start")],
        exit=[functools.partial(hook, instance) for hook in user_class.hooks(cls, "exit")],
        snapshot=[functools.partial(hook, instance) for hook in user_class.hooks(cls, "snapshot")],
        instance=instance,
    )


def import_code(definition: ImportedDefinition) -> None:
    """Import the module that a function is defined in. Raises what the user's code raises."""
    _import(definition)


def _import(definition: ImportedDefinition) -> ModuleType:
    if definition.is_main:
        return import_main(definition)
    try:
        return importlib.import_module(definition.module)
    except ModuleNotFoundError as error:
        if definition.file is None or error.name != definition.module.partition(".")[0]:
            raise
        return _import_file(definition.module, definition.file)


def _import_file(name: str, file: str) -> ModuleType:
    if not Path(file).exists():
        raise ExecutionError(f"the module {name} cannot be imported here, and its file {file} is not there either")
    module_spec = importlib.util.spec_from_file_location(name, file)
    if module_spec is None or module_spec.loader is None:
        raise ExecutionError(f"{file} cannot be imported as a Python module")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _resolve(module: ModuleType, qualname: str) -> Any:
    found: Any = module
    for part in qualname.split("."):
        try:
            found = inspect.getattr_static(found, part) if isinstance(found, type) else getattr(found, part)
        except AttributeError:
            raise ExecutionError(
                f"{module.__name__} has no {qualname!r} when it is imported in a container. "
                'Is it defined only under a condition, such as `if __name__ == "__main__"`?'
            ) from None
    return found


def quiet_declarations() -> None:
    """Declarations are read again in every container; whoever wrote them has been warned already."""
    warnings.filterwarnings("ignore", category=UserWarning, module=r"motet\.")
