"""Which version serves, said over HTTP: rolling back, promoting a canary, stopping."""

from __future__ import annotations

from starlette.responses import Response

from motet.model.deployment import checked_strategy
from motet.model.version import VERSION
from motet.server.api.asked import Asked
from motet.server.api.looking import deployment_json, plain
from motet.wire.deployment_messages import AppDeployed, PromoteApp, RollBackApp, StopDeployed


async def roll_back(asked: Asked) -> Response:
    """Deploy an old version once more; a client that goes before it serves gives it up."""
    version = asked.filters.number("version", 0, most=2**31) or 0
    strategy = checked_strategy(asked.filters.text("strategy") or "rolling")
    asked.filters.done()
    request = RollBackApp(asked.part("app"), version, strategy, VERSION)
    done: AppDeployed = await asked.unless_gone(asked.visit.ask(request))
    return plain(deployment_json(done.deployment))


async def promote(asked: Asked) -> Response:
    """Give a canary the name."""
    asked.filters.done()
    done: AppDeployed = await asked.visit.ask(PromoteApp(asked.part("app")))
    return plain(deployment_json(done.deployment))


async def stop(asked: Asked) -> Response:
    """End what runs of an app by its name."""
    asked.filters.done()
    name = asked.part("app")
    await asked.visit.ask(StopDeployed(name))
    return plain({"name": name, "state": "stopped"})
