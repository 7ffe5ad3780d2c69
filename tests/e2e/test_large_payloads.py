"""Payloads that are each allowed, together."""

from __future__ import annotations

from pathlib import Path

import motet

app = motet.App("large-payloads")
MIB = 2**20


@app.function(max_containers=1)
@motet.batched(max_batch_size=3, wait_ms=5000)
def doubled(datas: list[bytes], logs: list[str]) -> list[bytes]:
    with Path(logs[0]).open("a") as file:
        file.write(f"{len(datas)}\n")
    return [data + data for data in datas]


@app.function(max_containers=1)
def sized(size: int) -> bytes:
    return bytes(size)


@app.function(max_containers=1)
def asks_for_one_of_several() -> tuple[int, str]:
    call = sized.experimental_spawn_map([20 * MIB, 20 * MIB, 101 * MIB, 1])
    try:
        call.get(index=2, timeout=60)
        problem = ""
    except motet.exception.RequestSizeError as error:
        problem = str(error)
    return len(call.get(index=0, timeout=60)) + len(call.get(index=3, timeout=60)), problem


def test_large_inputs_of_one_batch_run_once_and_the_first_of_several_results_comes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with app.run():
        results = list(doubled.map([bytes(9 * MIB)] * 3, [str(log)] * 3))
        assert list(map(len, results)) == [18 * MIB] * 3
        assert log.read_text() == "3\n"
        size, problem = asks_for_one_of_several.remote()
        assert size == 20 * MIB + 1
        assert "the result: 101.0 MiB when pickled" in problem
