"""Cookies of ours that no app may see."""

from __future__ import annotations

import pytest

from motet.server.http.own_cookies import without_own


@pytest.mark.parametrize(
    ("cookies", "kept"),
    [
        ([b"a=1; b=2"], [b"a=1; b=2"]),
        ([b"motet-dashboard-8420=secret"], []),
        ([b"a=1; motet-dashboard-8420=secret; b=2"], [b"a=1; b=2"]),
        ([b"motet-dashboard-1=secret;motet-dashboard-2=secret", b"c=3"], [b"c=3"]),
        ([b"my-motet-dashboard-1=mine"], [b"my-motet-dashboard-1=mine"]),
    ],
)
def test_cookie_of_the_dashboard_is_kept_from_apps_and_others_are_not(cookies: list[bytes], kept: list[bytes]) -> None:
    headers = [(b"host", b"x"), *((b"cookie", value) for value in cookies)]
    assert without_own(headers) == [(b"host", b"x"), *((b"cookie", value) for value in kept)]
