"""A module that can be imported by the client only."""

from __future__ import annotations

import motet

app = motet.App("broken")

if not motet.is_local():
    import no_such_module_anywhere  # type: ignore[import-not-found]  # noqa: F401


@app.function(max_containers=2)
@motet.concurrent(max_inputs=2)
def never() -> int:
    return 1
