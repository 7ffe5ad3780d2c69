"""Print the lowest version of each dependency that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from pathlib import Path

USED_BY_MOTET = (
    *("web", "api", "server", "websocket", "postgres", "blobs", "dashboard", "metrics"),
    *("otel", "gpu", "chart"),
)
"""The extras that users install. Those for development may be as new as they are."""

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
allowed = [*project["dependencies"], *(each for name in USED_BY_MOTET for each in extras[name])]
# Markers say where, not what; and constraints have no extras.
lowest = {re.sub(r"\[.*\]", "", each.partition(";")[0]).strip().replace(">=", "==") for each in allowed}
assert all(re.fullmatch(r"[\w.-]+==[\d.]+", each) for each in lowest), f"not all of the form NAME>=VERSION: {lowest}"
print(*sorted(lowest), sep="\n")
