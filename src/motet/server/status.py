"""What a server says of itself to those who may look."""

from __future__ import annotations

import os

from motet.model.version import VERSION
from motet.server.clients.guests import Guests
from motet.server.health import Health
from motet.server.operations import Operations
from motet.server.peers import Strangers
from motet.server.port.port import Port
from motet.wire.hello import PYTHON
from motet.wire.operator_messages import StatusViewed


def server_status(
    health: Health,
    operations: Operations,
    guests: Guests,
    strangers: Strangers,
    address: str,
    port: Port | None,
) -> StatusViewed:
    """How it is now."""
    views = operations.views()
    tls = None if port is None else port.tls
    return StatusViewed(
        motet=VERSION,
        python=PYTHON,
        state=health.state,
        problems=tuple(health.problems()),
        pid=os.getpid(),
        started_at=health.began,
        apps=len(views),
        containers=sum(len(each.containers) for view in views for each in view.functions),
        connections=guests.counts(),
        strangers=len(strangers),
        addresses=(address,) if port is None else (address, port.address),
        fingerprint="" if tls is None else tls.fingerprint,
        certificate_expires_at=None if tls is None else tls.expires_at,
    )
