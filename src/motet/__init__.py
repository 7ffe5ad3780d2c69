"""Run Python functions on autoscaled pools of containers, many inputs at once in each."""

from motet import batching, exception, experimental, functions, queue
from motet.client.descriptors import fill_standard_descriptors
from motet.client.gate import shield_cancellation
from motet.model.version import VERSION
from motet.sdk.app import App
from motet.sdk.call import FunctionCall
from motet.sdk.cls import Cls
from motet.sdk.context import current_function_call_id, current_input_id, is_local
from motet.sdk.decorators import batched, concurrent, enter, exit, method
from motet.sdk.function import Function
from motet.sdk.image import Image
from motet.sdk.legacy import Stub
from motet.sdk.output import enable_output
from motet.sdk.parameters import parameter
from motet.sdk.queue import Queue
from motet.sdk.retries import Retries
from motet.sdk.secret import Secret
from motet.sdk.web import asgi_app, fastapi_endpoint, web_endpoint, web_server, wsgi_app

Error = exception.Error

__version__ = VERSION

fill_standard_descriptors()  # before anything of ours opens a file

__all__ = [
    # declaring
    "App",
    "Cls",
    "Function",
    "Image",
    "Queue",
    "Retries",
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
    "FunctionCall",
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
    # errors
    "Error",
    # old names
    "Stub",
    "web_endpoint",
    # about
    "__version__",
]
