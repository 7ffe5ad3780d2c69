"""Every exception a caller of Motet may catch, in one tree.

Who must act decides the branch: the author of a declaration (`InvalidError`), the caller (`NotFoundError`,
`TimeoutError`, `SerializationError` ...), whoever runs the service (`ConnectionError`, `ResourceExhaustedError`),
or Motet itself (`InternalError`: please report it). A user's own exception is raised as itself, with a
`RemoteTraceback` as its cause. Public names are Modal's where Modal has one.
"""

from __future__ import annotations

import builtins


class Error(Exception):
    """Root of every error Motet raises."""


# --- the declaration is wrong --------------------------------------------------------------------------------------


class InvalidError(Error):
    """A decorator, option or call was used in a way that cannot work; the message says what to write instead."""


class UnimplementedError(Error):
    """The request is valid, but this version of Motet cannot do it yet."""


class VersionError(Error):
    """Client, server or container speak no version of the wire in common; the message says where to upgrade Motet."""


# --- the call cannot be made or its result not had ------------------------------------------------------------------


class NotFoundError(Error):
    """No object of that name or id exists on this server."""


class AlreadyExistsError(Error):
    """An object of that name exists already."""


class ConflictError(InvalidError):
    """The object changed meanwhile, or is in a state that does not allow the request."""


class ExecutionError(Error):
    """The call could not be executed: no running app, or a remote exception that cannot be rebuilt here."""


class ArgumentError(InvalidError):
    """A caller in another language gave arguments that a function does not take: their number, names or types."""


class SerializationError(Error):
    """An argument, result or exception could not be pickled, or not be written as JSON or CBOR."""


class DeserializationError(Error):
    """Bytes from the other side could not be read here: a module or class is missing (most often), or they are no JSON."""


class RequestSizeError(Error):
    """An argument or result is larger than a payload may be."""


class TimeoutError(Error):
    """Something took longer than it was allowed to. See the subclasses."""


class FunctionTimeoutError(TimeoutError):
    """An attempt ran longer than the function's `timeout`."""


class SandboxTimeoutError(TimeoutError):
    """The sandbox ran for as long as it may, and was ended."""


class ExecTimeoutError(TimeoutError):
    """A command in a sandbox ran longer than its own `timeout`."""


class OutputExpiredError(TimeoutError):
    """The result was kept for its retention time and is gone."""


class RemoteError(Error):
    """The input ended without a result for a reason other than an ordinary exception of the user's code."""


class ImageBuildError(RemoteError):
    """An image could not be built: a package that does not exist, a step that failed."""


class ContainerDied(RemoteError):
    """The container ended while it ran this input, and did so again when the input ran alone."""


class MayHaveRun(ContainerDied):
    """The container ended while it ran this input, which is delivered at most once: it may have had its effect, or a part of
    it, and is not run again."""


class SandboxTerminatedError(Error):
    """The sandbox was ended by somebody, or ended before what was asked of it was done."""


class DataLossError(Error):
    """Output of a command in a sandbox is gone: nobody read it, and there was more than is kept."""


class SandboxFilesystemError(Error):
    """Something could not be done with a file in a sandbox. See the subclasses."""


class SandboxFilesystemNotFoundError(SandboxFilesystemError):
    """There is no such file or directory in the sandbox."""


class SandboxFilesystemDirectoryNotEmptyError(SandboxFilesystemError):
    """The directory has something in it: remove it with `recursive=True`."""


class SandboxFilesystemIsADirectoryError(SandboxFilesystemError):
    """It is a directory, where a file is needed."""


class SandboxFilesystemNotADirectoryError(SandboxFilesystemError):
    """It is no directory, where one is needed."""


class SandboxFilesystemPermissionError(SandboxFilesystemError):
    """The sandbox may not do this with the file."""


class SandboxFilesystemFileTooLargeError(SandboxFilesystemError):
    """The file is larger than can be read or written in one piece."""


class SandboxFilesystemPathAlreadyExistsError(SandboxFilesystemError):
    """There is a file or directory of this name in the sandbox already."""


class CallerCancelled(RemoteError):
    """The input was cancelled because the input that called it, and waited for it, was given up."""


# --- the service ----------------------------------------------------------------------------------------------------


class AuthError(Error):
    """The server does not accept these credentials."""


class PermissionDeniedError(Error):
    """The credentials do not allow this."""


class ResourceExhaustedError(Error):
    """A bounded queue is full, or a limit is reached; try again after `retry_after` seconds, or raise that. `limit`: its
    name, if it is one on a principal or app; empty for a queue."""

    def __init__(self, message: str = "", retry_after: float = 1.0, limit: str = "") -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.limit = limit


class ServiceError(Error):
    """The server could not do what was asked of it."""


class ConnectionError(Error):
    """The connection to the server is gone."""


class ClientClosed(Error):
    """The client was closed while the request was under way."""


class InternalFailure(Error):
    """The platform, not the user's code, failed this input."""


class InternalError(Error):
    """A promise inside Motet was broken. It is a bug in Motet: please report it with this message."""


# --- inside user code -----------------------------------------------------------------------------------------------


class InputCancellation(BaseException):
    """Raised inside a synchronous function whose input was cancelled.

    A `BaseException`, so that `except Exception:` around a retry does not swallow it. Asynchronous functions get
    `asyncio.CancelledError` instead.
    """


class RemoteTraceback(Exception):
    """Carries the traceback of a container as text, as the `__cause__` of the exception raised from it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text.rstrip()}\n"""'


# --- warnings -------------------------------------------------------------------------------------------------------


class DeprecationError(UserWarning):
    """An old name was used; the message gives the new one. A warning, whatever its (Modal's) name says."""


class PendingDeprecationError(UserWarning):
    """A name that will be deprecated was used."""


class ServerWarning(UserWarning):
    """Something the server wants the caller to know."""


class AsyncUsageWarning(UserWarning):
    """A blocking call was made inside a running event loop, where it stops every other task."""


NAMES = frozenset(
    name
    for name, value in list(globals().items())
    if isinstance(value, type) and issubclass(value, builtins.BaseException) and not name.startswith("_")
)
"""The names of all exceptions and warnings here, for `motet.exception` and for the wire."""
