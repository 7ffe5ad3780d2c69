"""Green threads: containers may have them, programs with an embedded server may not."""

from __future__ import annotations

import sys

import motet

if not motet.is_local() or "--patched" in sys.argv:
    from gevent import monkey

    monkey.patch_all()

app = motet.App("green")


@app.function()
@motet.concurrent(max_inputs=4)
def double(x: int) -> int:
    return 2 * x


@app.function()
@motet.concurrent(max_inputs=4)
def doubled(x: int) -> list[int]:
    import gevent

    return [each.get() for each in [gevent.spawn(double.remote, number) for number in range(x)]]


if __name__ == "__main__":
    with app.run():
        print(list(doubled.map([1, 2, 3])))
