"""Who may use the dashboard."""

from __future__ import annotations

import pytest

from motet.server.dashboard.security import refusal
from motet.server.http.own_names import OwnNames

LOOPBACK = OwnNames()
COMMAND = {b"x-motet-dashboard": b"1", b"content-type": b"application/json"}


@pytest.mark.parametrize(
    "host", [b"127.0.0.1:8420", b"localhost:8420", b"LOCALHOST", b"[::1]:8420", b"192.168.0.7:8420", b"10.0.0.1"]
)
def test_dashboard_is_served_by_address_or_as_localhost(host: bytes) -> None:
    assert refusal("GET", {b"host": host}, LOOPBACK) is None


def test_dashboard_is_served_by_the_name_it_listens_on() -> None:
    assert refusal("GET", {b"host": b"box.internal:8420"}, OwnNames(["box.internal"])) is None


@pytest.mark.parametrize(
    "host", [b"evil.example", b"evil.example:8420", b"localhost.evil.example", b"127.0.0.1.nip.io", b"", b"\xff", b"["]
)
def test_name_that_somebody_else_pointed_here_is_refused(host: bytes) -> None:
    assert "open it by an IP address or as localhost" in (refusal("GET", {b"host": host}, LOOPBACK) or "")


def test_command_of_an_own_page_is_taken() -> None:
    headers = {b"host": b"localhost:8420", b"origin": b"http://localhost:8420", **COMMAND}
    assert refusal("POST", headers, LOOPBACK) is None


def test_command_of_a_program_without_an_origin_is_taken() -> None:
    assert refusal("POST", {b"host": b"localhost:8420", **COMMAND}, LOOPBACK) is None


@pytest.mark.parametrize("origin", [b"http://evil.example", b"null", b"http://localhost:9999", b""])
def test_command_of_another_sites_page_is_refused(origin: bytes) -> None:
    headers = {b"host": b"localhost:8420", b"origin": origin, **COMMAND}
    assert "may not send commands here" in (refusal("POST", headers, LOOPBACK) or "")


@pytest.mark.parametrize("missing", list(COMMAND))
def test_command_that_a_form_could_send_is_refused(missing: bytes) -> None:
    headers = {b"host": b"localhost", **{name: value for name, value in COMMAND.items() if name != missing}}
    assert "commands need" in (refusal("POST", headers, LOOPBACK) or "")


def test_form_with_a_type_that_only_contains_json_is_refused() -> None:
    headers = {b"host": b"localhost", **COMMAND, b"content-type": b"text/plain; application/json"}
    assert "commands need a body" in (refusal("POST", headers, LOOPBACK) or "")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_mean_nothing(method: str) -> None:
    assert refusal(method, {b"host": b"localhost", **COMMAND}, LOOPBACK) == f"{method} means nothing here"
