"""The app under plain uvicorn, one worker, with the loop and the parser that Motet's ingress has."""

from __future__ import annotations

import uvicorn
from ready import free_port, interrupt_at_the_end, say_ready

if __name__ == "__main__":
    port = free_port()
    interrupt_at_the_end()
    say_ready("uvicorn", "fastapi", "uvloop", "httptools", url=f"http://127.0.0.1:{port}")
    uvicorn.run(
        "pages:pages", host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False, log_level="error"
    )
