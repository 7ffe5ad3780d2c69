"""What buildah, podman and docker are called with: the contract that stands for docker, of which no engine runs here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from motet.backends.oci.programs import (
    BuildCall,
    BuilderName,
    EnginePrograms,
    MachineFacts,
    RunCall,
    find_programs,
    is_local_registry,
    lacking_programs,
    lowered_ulimits,
)
from motet.errors import InvalidError, ServiceError
from motet.model.isolation import NO_LIMITS, Limits, Mount, Walls

LOWERED = MachineFacts(
    ulimits=("nofile=1024:20000",), runtime="runc", build_options=("--network=host",), run_options=("--dns", "1.1.1.1")
)
BUILD = BuildCall(
    directory="/context",
    containerfile="/Containerfile",
    tag="localhost/motet/image:1",
    build_args={"A": "b"},
    secrets={"indexes": "/secret/indexes"},
    login="/secret/login/config.json",
    is_anew=True,
    base="127.0.0.1:5000/base:1",
)
RUN = RunCall(
    name="motet-1",
    image="localhost/motet/image:1",
    command=["python3", "-P", "/start.py"],
    mounts=[Mount(source="/a", target="/b"), Mount(source="/c", target="/d", writable=True)],
    walls=Walls(isolation="oci", network=False, gpus=True),
    limits=Limits(cpu=1.5, memory=64 << 20, pids=100),
    labels={"motet.owner": "1:2"},
)


def programs(builder: BuilderName, machine: MachineFacts = MachineFacts()) -> EnginePrograms:  # noqa: B008 - frozen
    return EnginePrograms(builder=builder, engine="docker" if builder == "docker" else "podman", machine=machine)


_COMMON = (
    "--no-cache --file /Containerfile --tag localhost/motet/image:1 --ulimit nofile=1024:20000 --build-arg A=b "
    "--secret id=indexes,src=/secret/indexes --network=host /context"
)


@pytest.mark.parametrize(
    ("builder", "begins"),
    [
        ("podman", "podman --runtime runc build --layers --authfile /secret/login/config.json --tls-verify=false"),
        ("buildah", "buildah build --runtime runc --layers --authfile /secret/login/config.json --tls-verify=false"),
        ("docker", "docker --config /secret/login build --progress plain"),
    ],
)
def test_a_build_is_asked_of_each_program_in_its_words(builder: BuilderName, begins: str) -> None:
    assert " ".join(programs(builder, LOWERED).build(BUILD)) == f"{begins} {_COMMON}"


_WALLS = "--ulimit nofile=1024:20000 --security-opt no-new-privileges --network none"
_RUN_COMMON = (
    "--memory 67108864 --memory-swap 67108864 --cpus 1.5 --pids-limit 100 --label motet.owner=1:2 "
    "--mount type=bind,source=/a,target=/b,readonly --mount type=bind,source=/c,target=/d "
    "--dns 1.1.1.1 localhost/motet/image:1 python3 -P /start.py"
)


@pytest.mark.parametrize(
    ("builder", "begins", "gpus"),
    [
        (
            "podman",
            "podman --runtime runc run --detach --rm --log-driver none --name motet-1 --pull never --http-proxy=false",
            "--device nvidia.com/gpu=all",
        ),
        (
            "docker",
            "docker run --detach --rm --log-driver none --name motet-1 --runtime runc",
            "--gpus all",
        ),
    ],
)
def test_a_container_is_asked_of_each_engine_in_its_words(builder: BuilderName, begins: str, gpus: str) -> None:
    assert " ".join(programs(builder, LOWERED).run(RUN)) == f"{begins} {_WALLS} {gpus} {_RUN_COMMON}"


def test_what_is_not_limited_is_not_said() -> None:
    call = RunCall(name="n", image="i", command=["c"], mounts=[], walls=Walls(), limits=NO_LIMITS, labels={})
    assert " ".join(programs("docker").run(call)) == (
        "docker run --detach --rm --log-driver none --name n --security-opt no-new-privileges i c"
    )


def test_the_entrypoint_of_an_image_is_left_out_where_it_is_not_wanted() -> None:
    bare = replace(RUN, with_entrypoint=False)
    for each in ("podman", "docker"):
        words = programs(each).run(bare)
        assert words[words.index("--entrypoint") :][:3] == ["--entrypoint", "", "localhost/motet/image:1"]


def test_ending_and_looking_are_asked_in_each_engines_words() -> None:
    podman, docker = programs("podman"), programs("docker")
    assert " ".join(podman.kill(["a", "b"])) == "podman rm --force --time 0 --ignore a b"
    assert " ".join(docker.kill(["a", "b"])) == "docker rm --force a b"
    assert docker.wait("a") == ["docker", "wait", "a"]
    assert podman.names("l")[-1] == '{{.Names}}\t{{index .Labels "l"}}'
    assert docker.names("l")[-1] == '{{.Names}}\t{{.Label "l"}}'
    assert docker.commit("a", "t", ["CMD []"]) == ["docker", "commit", "--change", "CMD []", "a", "t"]
    assert docker.inspect("t") == ["docker", "image", "inspect", "t"]
    assert " ".join(podman.ask("t", "true")) == "podman run --rm --network none --entrypoint /bin/sh t -c true"


def found(*names: str, **env: str) -> EnginePrograms:
    return find_programs(env, lambda name: f"/usr/bin/{name}" if name in names else None)


def test_the_first_program_that_is_there_is_taken_unless_one_is_named() -> None:
    assert found("podman", "docker", "buildah").builder == "podman"
    assert found("docker").builder == "docker"
    assert found("docker").engine == "docker"
    assert found("podman", "buildah", MOTET_BUILDER="buildah").builder == "buildah"
    assert found("podman", "buildah", MOTET_BUILDER="buildah").engine == "podman"


@pytest.mark.parametrize(
    ("there", "named", "said"),
    [
        (
            (),
            "",
            r"podman and docker are not found on this machine: install podman \(apt-get install podman\) or docker, or ",
        ),
        ((), "podman", "podman, which MOTET_BUILDER names, is not found on this machine"),
        (("buildah",), "buildah", "nothing runs containers in them: install podman"),
    ],
)
def test_without_a_program_there_is_one_sentence_with_what_to_do(there: tuple[str, ...], named: str, said: str) -> None:
    with pytest.raises(ServiceError, match=said):
        found(*there, MOTET_BUILDER=named)


def test_what_an_operator_says_wrongly_is_refused() -> None:
    with pytest.raises(InvalidError, match="MOTET_BUILDER takes podman, buildah or docker, not 'kaniko'"):
        found("podman", MOTET_BUILDER="kaniko")
    with pytest.raises(InvalidError, match="MOTET_OCI_OPTIONS is to be words as in a shell"):
        found("podman", MOTET_OCI_OPTIONS="'")
    assert lacking_programs({"MOTET_BUILDER": "kaniko"}) is not None


def test_an_operators_options_come_with_each_build_and_each_container() -> None:
    machine = found("podman", MOTET_BUILD_OPTIONS="-v '/a b:/c'", MOTET_OCI_OPTIONS="--dns=1.1.1.1").machine
    assert (machine.build_options, machine.run_options) == (("-v", "/a b:/c"), ("--dns=1.1.1.1",))
    assert found("podman", MOTET_OCI_RUNTIME="runsc").machine.runtime == "runsc"


def test_ulimits_are_lowered_only_where_this_process_may_not_raise_them() -> None:
    assert lowered_ulimits("CapEff:\t000001ffffffffff\n") == ()
    lowered = lowered_ulimits("CapEff:\t000001fffeffffff\n")
    assert all(int(limit.partition("=")[2].partition(":")[0]) > 0 for limit in lowered)


def test_only_a_registry_of_this_machine_is_asked_without_tls() -> None:
    assert is_local_registry("localhost:5000/a")
    assert is_local_registry("127.0.0.1:5000/a")
    assert not is_local_registry("localhost/motet/image:1")
    assert not is_local_registry("docker.io/library/python:3")
