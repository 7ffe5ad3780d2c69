"""What serves many clients unpickles nothing, before it knows them or after: as its imports, its source and its running say."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/motet"
ROOMS = ("server", "core", "store", "backends", "agent", "records", "model")
"""Which have code of servers and hosts."""
OF_CONTAINERS = {
    "payload",
    "failure",
    "exception_payload",
    "exceptions",
    "encoding",
    "lenient_unpickler",
    "by_value",
    "pickler",
}
"""Modules of `motet.wire` that pickle, unpickle, or are for those that do: clients and containers have them."""
UNPICKLERS = {
    "pickle",
    "_pickle",
    "cPickle",
    "cloudpickle",
    "marshal",
    "shelve",
    "dill",
    "joblib",
    "copyreg",
    "jsonpickle",
}
RUNNERS = {"eval", "exec", "compile", "__import__"}


def imported(path: Path) -> set[str]:
    """The first parts of what a file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def of_servers() -> list[Path]:
    mine = [path for room in ROOMS for path in (SOURCE / room).rglob("*.py")]
    return [*mine, *(path for path in (SOURCE / "wire").glob("*.py") if path.stem not in OF_CONTAINERS)]


def test_no_source_of_a_server_imports_what_unpickles_or_runs_text() -> None:
    paths = of_servers()
    assert len(paths) > 200
    assert {path.relative_to(SOURCE).as_posix(): bad for path in paths if (bad := imported(path) & UNPICKLERS)} == {}
    calls = {
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RUNNERS
    }
    assert calls == set()


def test_the_list_of_what_unpickles_is_true() -> None:
    """A module that is on it, and does not pickle, would hide one that does."""
    names = {path.stem for path in (SOURCE / "wire").glob("*.py")}
    assert names >= OF_CONTAINERS
    direct = {path.stem for path in (SOURCE / "wire").glob("*.py") if imported(path) & UNPICKLERS}
    assert direct
    assert direct <= OF_CONTAINERS


def test_the_contract_of_imports_has_no_more_exceptions_than_the_programs_own_server() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [each for each in contracts if each["id"] == "never-unpickles"]
    assert contract["ignore_imports"] == ["motet.server.embedded -> motet.client.*"]
    assert {f"motet.{room}" for room in ROOMS} <= set(contract["source_modules"])
    assert {"motet.wire.payload", "motet.wire.failure", "pickle", "cloudpickle"} <= set(contract["forbidden_modules"])
    assert not contract.get("allow_indirect_imports")


def test_no_module_of_a_server_that_stays_imports_what_unpickles_by_whatever_way() -> None:
    """`import motet` itself loads the SDK in every process; what counts is what a server's own code can reach."""
    graph = grimp.build_graph("motet", include_external_packages=True)
    unpickle = {"pickle", "cloudpickle", "motet.wire.payload", "motet.wire.failure", "motet.wire.lenient_unpickler"}
    assert unpickle <= graph.modules
    assert graph.find_shortest_chain("motet.sdk.call.function", "cloudpickle")  # it would be seen
    graph.remove_module("motet.server.embedded")  # a program's own server, in the program's own process
    mine = {each for each in graph.modules if each.split(".")[1:2] and each.split(".")[1] in ROOMS}
    assert {"motet.server.standing", "motet.agent.agent", "motet.store.tokens"} <= mine
    for target in unpickle & graph.modules:
        assert mine & graph.find_downstream_modules(target) == set(), target


BOMBED = """
import asyncio, os, sys
from motet.model.function import FunctionVariant
from motet.model.outcome import AttemptEnd, CallKind, NewInput, OutcomeKind
from motet.server.access.door import Principal
from motet.server.access.rights import EVERYTHING
from motet.wire import client_messages as m, operator_messages as o, queue_messages as q
from motet.wire import codec
from motet.wire.container_messages import Deliver, Finished, Items, StartFailed
from tests.server.stage import stage, function
from motet.model.function import SerializedDefinition
import msgspec

BOMB = b"cos\\nsystem\\n(S'touch {flag}'\\ntR."
unpickled = []
sys.addaudithook(lambda event, args: unpickled.append(args) if event == "pickle.find_class" else None)

async def main():
    async with stage() as on:
        client = on.principal(Principal("eve", EVERYTHING))
        bombed = msgspec.structs.replace(function(), definition=SerializedDefinition(pickled=BOMB, qualname="f"))
        (function_id,) = await client.create(bombed)
        client.say(m.SubmitInputs("fc-1", function_id, CallKind.STREAM, "", [NewInput(0, BOMB)]))
        client.say(m.FeedCall("fc-1", 0, [BOMB]))
        container = await on.container()
        (attempt,) = await container.deliveries()
        container.executor.say(Items(attempt.attempt, [BOMB]))
        await client.wait(m.CallItems)
        container.executor.say(Finished([AttemptEnd(attempt.attempt, OutcomeKind.FAILURE, BOMB)]))
        assert (await client.wait(m.Outcomes)).ended[0].payload == BOMB
        await client.answer(m.SubmitInputs("fc-2", function_id, CallKind.SPAWNED, "", [NewInput(0, BOMB)]))
        while not isinstance(heard := (await container.executor.hear(codec.decode_to_executor))[0], Deliver):
            pass
        container.finish(heard.attempts, BOMB)
        assert (await client.answer(m.AwaitOutcomes("fc-2", 0))).ended[0].payload == BOMB
        put = client.ask(q.PutItems("qu-1", "", [BOMB], True))
        await client.wait(m.Reply)
        client.say(q.Confirm(put, 1))
        assert (await client.answer(q.GetItems("qu-1", "", 1, True))).items == [BOMB]
        await client.answer(m.BindFunction(function_id, FunctionVariant(parameters_given=BOMB)))
        for body in (o.ViewServer(), o.FindCallGraph("in-1-0"), o.FindInput("in-1-0")):
            await client.answer(body)
        container.executor.say(StartFailed("loading", BOMB))

asyncio.run(main())
print(unpickled, os.path.exists("{flag}"))
"""


def test_pickles_in_every_place_of_messages_stay_bytes(tmp_path: Path) -> None:
    program = BOMBED.replace("{flag}", str(tmp_path / "flag"))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[] False"


def test_the_bomb_of_these_tests_goes_off_where_something_is_unpickled(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    program = f"""
import pickle, sys
seen = []
sys.addaudithook(lambda event, args: seen.append(args) if event == "pickle.find_class" else None)
pickle.loads(b"cos\\nsystem\\n(S'touch {flag}'\\ntR.")
print(len(seen))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout.strip(), flag.exists()) == ("1", True)
