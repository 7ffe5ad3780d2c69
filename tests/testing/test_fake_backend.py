"""`FakeBackend` keeps the contract, and lets tests be the containers."""

from __future__ import annotations

import pytest

from motet.backends.base import Backend, Launch
from motet.model.gpu import FoundGpus, Gpu
from motet.testing.backends import FakeBackend
from tests.contracts.backend_contract import STAYS, Act, BackendContract, Session, in_loop


class FakeStage:
    """Performs the acts of the containers that the fake was asked for."""

    def __init__(self) -> None:
        self.fake = FakeBackend()
        self.backend: Backend = self.fake
        self._acts: dict[str, Act] = {}

    def launch(self, container_id: str, act: Act) -> Launch:
        self._acts[container_id] = act
        return Launch(container_id=container_id, address="unix:/nowhere", token="t", env={})

    def started(self, launch: Launch) -> None:
        if launch.container_id in self.fake.running:
            act = self._acts[launch.container_id]
            for stream, text in act.writes:
                self.fake.write(launch.container_id, stream, text.encode())
            if act.code is not None:
                self.fake.end(launch.container_id, act.code)

    def freeze(self, container_id: str) -> None:
        self.fake.freeze(container_id)

    def thaw(self, container_id: str) -> None:
        self.fake.thaw(container_id)

    def break_starts(self) -> None:
        self.fake.refusal = "the test says so"

    def lose(self) -> None:
        self.fake.lose("the test says so")


class TestFakeBackend(BackendContract):
    @pytest.fixture
    def stage(self) -> FakeStage:
        return FakeStage()

    @in_loop
    async def test_what_was_asked_is_recorded_in_order(self, stage: FakeStage) -> None:
        async with Session(stage) as session:
            first, second = session.start(STAYS), session.start(STAYS)
            session.backend.kill_nowait(second)
            assert [launch.container_id for launch in stage.fake.launches] == [first, second]
            assert stage.fake.kills == [second]
            assert list(stage.fake.running) == [first]

    @in_loop
    async def test_container_outlives_a_kill_when_told_to(self, stage: FakeStage) -> None:
        async with Session(stage) as session:
            stage.fake.obeys_kills = False
            container = session.start(STAYS)
            session.backend.kill_nowait(container)
            assert list(stage.fake.running) == [container]
            stage.fake.end(container, 5)
            assert (await session.reports.wait_ended(container)).code == 5

    @in_loop
    async def test_gpus_are_those_that_were_made_up(self, stage: FakeStage) -> None:
        stage.fake.gpus = FoundGpus(gpus=(Gpu(uuid="gpu0", kind="H100", memory_mib=1),))
        async with Session(stage) as session:
            assert await session.backend.find_gpus() == stage.fake.gpus

    @in_loop
    async def test_container_that_is_not_running_cannot_write(self, stage: FakeStage) -> None:
        async with Session(stage):
            with pytest.raises(AssertionError, match="ta-9 is not running"):
                stage.fake.write("ta-9", "stdout", b"x")
