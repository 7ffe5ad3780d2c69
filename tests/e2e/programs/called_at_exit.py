"""Calls when the interpreter is about to end: by a thread that goes on, and from handlers."""

from __future__ import annotations

import atexit
import sys
import threading

from tests.e2e.programs.forks import app, double


def call(where: str) -> None:
    try:
        print(where, double.remote(1), flush=True)
    except Exception as error:
        print(where, type(error).__name__, error, flush=True)


def outlive_main() -> None:
    threading.main_thread().join()
    call("thread")


if __name__ == "__main__":
    atexit.register(call, "earlier handler")
    run = app.run()
    run.__enter__()
    atexit.register(call, "later handler")
    threading.Thread(target=outlive_main).start()
    sys.exit(0)
