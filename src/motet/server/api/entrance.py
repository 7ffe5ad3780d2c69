"""The way to the HTTP API of a server, which is made when somebody listens for it."""

from __future__ import annotations

from typing import Any

from motet.errors import ServiceError
from motet.server.api.reception import Reception


class ApiEntrance:
    """The API of a server, from when somebody listens for it."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._app: Any = None

    def open(self) -> Any:
        """The ASGI app, the same each time. Raises `ServiceError` if packages are missing."""
        if self._app is None:
            # Late: only servers that are asked over HTTP need it.
            try:
                from motet.server.api.api import HttpApi
            except ImportError as error:
                raise ServiceError(f"the HTTP API needs more packages: pip install 'motet[api]' ({error})") from error
            self._app = HttpApi(self._reception)
        return self._app

    def close(self) -> None:
        """Nobody is to wait for an answer any more. Idempotent."""
        if self._app is not None:
            self._app.close()
