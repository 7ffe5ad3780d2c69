"""What containers, and the host agent that starts them, have of the environment of a server that stays."""

from __future__ import annotations

from motet.server.container_environment import inherited


def test_host_agent_starts_oci_containers_by_the_programs_and_from_the_store_of_the_servers_builds() -> None:
    given = {
        "MOTET_BUILDER": "buildah",
        "MOTET_OCI_RUNTIME": "runc",
        "MOTET_OCI_OPTIONS": "--dns=10.0.0.1",
        "CONTAINERS_STORAGE_CONF": "/etc/store.conf",
        "DOCKER_HOST": "unix:///run/docker.sock",
    }
    assert inherited({**given, "DATABASE_PASSWORD": "of the server's user"}) == given
