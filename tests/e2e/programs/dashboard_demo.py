"""Functions for the dashboard to show: they hold at a gate, print hostile lines, fail, and call each other."""

from __future__ import annotations

import motet

from . import gates

app = motet.App("shop")


@app.function(max_containers=2)
@motet.concurrent(max_inputs=10, target_inputs=5)
async def fetch(gate: str, name: str) -> str:
    """Says when it has come to a gate, and when it is through."""
    print(f"{name} is at the gate")
    await gates.stand_async(gate, name)
    print(f"{name} is through")
    return name


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
def hostile(number: int) -> int:
    """Writes what would be a script in a page that took it for one."""
    print(f'<script>window.hacked = {number}</script><img src="x" onerror="window.hacked = {number}">')
    if number == 3:
        raise ValueError("<b>price</b> is not a number")
    return number


@app.function(max_containers=1)
def basket(count: int) -> int:
    """Calls `hostile` for each."""
    return sum(hostile.map(range(10, 10 + count)))


@app.function(max_containers=1)
def talkative_with_a_name_so_long_that_a_table_of_functions_would_have_no_room_for_anything_else(lines: int) -> None:
    for number in range(lines):
        print("line", number)
    print("x" * 200_000)
    print("the last")
