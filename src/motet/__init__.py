"""Run Python functions on autoscaled pools of containers, many inputs at once in each."""

import importlib as _importlib
import typing as _typing

from motet import exception
from motet.client.descriptors import fill_standard_descriptors as _fill_standard_descriptors
from motet.client.gate import shield_cancellation
from motet.context.container import is_local
from motet.context.current_input import current_attempt, current_attempts, current_function_call_id, current_input_id
from motet.model.current_attempt import Attempt
from motet.model.version import VERSION as _VERSION
from motet.sdk.call.function import Function
from motet.sdk.call.function_call import FunctionCall
from motet.sdk.call.queue import Queue
from motet.sdk.declare.app import App
from motet.sdk.declare.cls import Cls
from motet.sdk.declare.decorators import batched, concurrent, enter, exit, method
from motet.sdk.declare.legacy import Stub
from motet.sdk.declare.parameters import parameter
from motet.sdk.declare.web import asgi_app, fastapi_endpoint, web_endpoint, web_server, wsgi_app
from motet.sdk.options.image import Image
from motet.sdk.options.retries import Retries
from motet.sdk.options.schedule import Cron, Period
from motet.sdk.options.secret import Secret
from motet.sdk.run.output import enable_output

if _typing.TYPE_CHECKING:
    from motet import batching as batching
    from motet import dict as dict
    from motet import experimental as experimental
    from motet import functions as functions
    from motet import queue as queue
    from motet import stream_type as stream_type
    from motet.sdk.call.dict import Dict as Dict
    from motet.sdk.sandbox.sandbox import Sandbox as Sandbox
else:
    _LATE_CLASSES = {"Dict": "motet.sdk.call.dict", "Sandbox": "motet.sdk.sandbox.sandbox"}
    _LATE = (*_LATE_CLASSES, "batching", "dict", "experimental", "functions", "queue", "stream_type")

    def __getattr__(name: str) -> object:
        """Import what is named in `_LATE` when it is first used: most programs do without it, and `batching` loads asyncio."""
        if name in _LATE_CLASSES:
            return getattr(_importlib.import_module(_LATE_CLASSES[name]), name)
        if name in _LATE:
            return _importlib.import_module(f"motet.{name}")
        raise AttributeError(f"module 'motet' has no attribute {name!r}")

    def __dir__() -> list[str]:
        """For editors and notebooks: what is imported late, too."""
        return sorted({*globals(), *_LATE})


Error = exception.Error

__version__ = _VERSION

_fill_standard_descriptors()  # before anything of ours opens a file

__all__ = [
    # declaring
    "App",
    "Cls",
    "Cron",
    "Dict",
    "Function",
    "Image",
    "Period",
    "Queue",
    "Retries",
    "Sandbox",
    "Secret",
    "batched",
    "concurrent",
    "enter",
    "exit",
    "method",
    "parameter",
    # the web
    "asgi_app",
    "fastapi_endpoint",
    "web_server",
    "wsgi_app",
    # calling
    "Attempt",
    "FunctionCall",
    "current_attempt",
    "current_attempts",
    "current_function_call_id",
    "current_input_id",
    "enable_output",
    "is_local",
    "shield_cancellation",
    # modules
    "batching",
    "exception",
    "experimental",
    "functions",
    "queue",
    "stream_type",
    # errors
    "Error",
    # old names
    "Stub",
    "web_endpoint",
    # about
    "__version__",
]
