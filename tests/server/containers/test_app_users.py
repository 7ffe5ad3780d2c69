"""Which rights a server lacks to have containers become users of their apps."""

from __future__ import annotations

from pathlib import Path

import pytest

from motet.server.containers.app_users import missing_rights


@pytest.mark.parametrize(
    ("effective", "missing"),
    [
        ("000001fffeffffff", ()),
        ("00000000a80425fb", ("CAP_SYS_ADMIN",)),  # what docker leaves
        ("0000000000000000", ("CAP_CHOWN", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_ADMIN")),
    ],
)
def test_missing_rights_are_named(effective: str, missing: tuple[str, ...], tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tmotet\nCapInh:\t0000000000000000\nCapEff:\t{effective}\n")
    assert missing_rights(status) == missing
