"""Addresses of servers: which make sense, and where they lead."""

from __future__ import annotations

import os

import pytest

from motet.client.addresses import Endpoint, endpoint, parsed_address, parsed_addresses
from motet.errors import InvalidError


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("unix:/s", "unix:/s"),
        ("unix:s", f"unix:{os.getcwd()}/s"),
        ("tls:a.example:1", "tls:a.example:1"),
        ("tls:a.example", "tls:a.example:7433"),
        ("tls:[fe80::1]:1", "tls:[fe80::1]:1"),
        ("tls:[::1]", "tls:[::1]:7433"),
        ("tcp:127.0.0.1:80", "tcp:127.0.0.1:80"),
        ("tcp:[::1]:80", "tcp:[::1]:80"),
        ("tcp:localhost:80", "tcp:localhost:80"),
        ("insecure-tcp:a.example:1", "insecure-tcp:a.example:1"),
        ("wss://a.example", "wss://a.example:443/connect"),
        ("wss://a.example/", "wss://a.example:443/connect"),
        ("wss://a.example:8443/motet/connect", "wss://a.example:8443/motet/connect"),
        ("ws://127.0.0.1:80", "ws://127.0.0.1:80/connect"),
        ("wss://[::1]:1", "wss://[::1]:1/connect"),
    ],
)
def test_an_address_is_kept_in_one_form(text: str, kept: str) -> None:
    assert parsed_address(text, "it") == kept
    assert parsed_address(kept, "it") == kept


@pytest.mark.parametrize(
    "text",
    [
        "homes",
        "unix:",
        "tls:",
        "tls::1",
        "tls:a.example:http",
        "tls:a.example:0",
        "tls:a.example:65536",
        "tls:fe80::1",
        "tls:a b:1",
        "wss://",
        "wss://a.example:x",
        "wss://user:password@a.example",
        "wss://a.example/?token=t",
        "https://a.example",
        "carrier-pigeon:coop",
    ],
)
def test_what_is_no_address_is_told_with_what_one_is(text: str) -> None:
    with pytest.raises(InvalidError, match=r"^that: there is no such server; it must be 'home' .*'tls:HOST:PORT'"):
        parsed_address(text, "that")


@pytest.mark.parametrize(
    ("text", "secure"), [("tcp:a.example:1", "tls:a.example:1"), ("ws://10.0.0.1:1", "wss://10.0.0.1:1")]
)
def test_without_tls_no_other_machine_is_reached_and_the_error_names_what_does(text: str, secure: str) -> None:
    with pytest.raises(InvalidError, match=f"without TLS only a server of this machine is reached.* use {secure}"):
        parsed_address(text, "that")


@pytest.mark.parametrize(
    ("address", "leads"),
    [
        ("tls:[::1]:1", Endpoint("::1", 1, tls=True)),
        ("insecure-tcp:a.example:1", Endpoint("a.example", 1, tls=False)),
        ("wss://a.example:443/connect", Endpoint("a.example", 443, tls=True, websocket_path="/connect")),
        ("ws://127.0.0.1:80/x", Endpoint("127.0.0.1", 80, tls=False, websocket_path="/x")),
    ],
)
def test_an_address_leads_to_a_host_and_a_port(address: str, leads: Endpoint) -> None:
    assert endpoint(address) == leads


def test_what_is_no_address_leads_nowhere() -> None:
    with pytest.raises(ValueError, match="addresses look like"):
        endpoint("carrier-pigeon:coop")


@pytest.mark.parametrize("alone", ["home", "embedded"])
def test_a_server_without_an_address_is_not_one_of_several(alone: str) -> None:
    with pytest.raises(InvalidError, match=f"it: '{alone}' stands alone; of several servers"):
        parsed_addresses(f"{alone}, tls:a.example", "it")
    assert parsed_addresses("tls:a.example, unix:/s", "it") == ("tls:a.example:7433", "unix:/s")
