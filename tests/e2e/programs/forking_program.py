"""A program whose app runs: a child exits out of the block, one is not forked, and one calls when the app has ended."""

from __future__ import annotations

import os
import sys
from multiprocessing import get_context

from tests.e2e.programs.forks import app, double, doubled


def main() -> None:
    app_ended, app_lives = os.pipe()
    with app.run():
        print("parent", double.remote(1), flush=True)
        leaver = os.fork()
        if leaver == 0:
            print("child", double.remote(2), flush=True)
            sys.exit(7)  # unwinds the block, and runs what is registered for the exit
        print("left with", os.waitstatus_to_exitcode(os.waitpid(leaver, 0)[1]), flush=True)
        print("parent", double.remote(3), flush=True)
        try:
            with get_context("spawn").Pool(1) as pool:
                pool.apply(doubled, (1,))
        except Exception as error:
            print(error, flush=True)
        late = os.fork()
        if late == 0:
            os.close(app_lives)
            os.read(app_ended, 1)
            try:
                double.remote(4)
            except Exception as error:
                print(type(error).__name__, error, flush=True)
            os._exit(0)
    os.close(app_lives)
    os.waitpid(late, 0)


if __name__ == "__main__":
    main()
