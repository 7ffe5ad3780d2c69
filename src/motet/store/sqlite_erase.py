"""Nothing is left of a call: its inputs, arguments, stalls and lines go, and their bytes are overwritten."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from motet.records.calls import CallRecord
from motet.records.input_chunk import decoded, encoded
from motet.store.sqlite_file import overwriting
from motet.store.sqlite_inputs import short_calls
from motet.store.sqlite_keys import mended
from motet.store.sqlite_logs import LogWriter

_encode = msgspec.msgpack.Encoder().encode
_decode_calls = msgspec.msgpack.Decoder(list[CallRecord]).decode


def erase_calls(connection: sqlite3.Connection, logs: LogWriter, call_ids: Sequence[str]) -> int:
    """Erase calls; of how many there was something. Calls that they made are calls of their own, and stay."""
    with overwriting(connection):
        keys: list[int] = []
        erased = 0
        for call_id in dict.fromkeys(call_ids):
            key = _key_of(connection, call_id)
            chunks = _erase_inputs(connection, call_id, key)
            connection.execute("DELETE FROM arguments WHERE call_id = ?", (mended(call_id),))
            connection.execute("DELETE FROM stalls WHERE call_id = ?", (mended(call_id),))
            if key is not None:
                keys.append(key)
                connection.execute("DELETE FROM calls WHERE key = ?", (key,))
            erased += key is not None or chunks > 0
        connection.execute("DELETE FROM definitions WHERE function_id NOT IN (SELECT function_id FROM arguments)")
        logs.erase(keys)
    return erased


def _key_of(connection: sqlite3.Connection, call_id: str) -> int | None:
    row = connection.execute("SELECT key FROM calls WHERE call_id = ?", (mended(call_id),)).fetchone()
    return None if row is None else int(row[0])


def _erase_inputs(connection: sqlite3.Connection, call_id: str, key: int | None) -> int:
    """Erase what chunks have of a call; how many had something."""
    chunks = {chunk for chunk, _ in short_calls(connection, call_id)}
    if key is not None:
        first, last = connection.execute("SELECT first_chunk, last_chunk FROM calls WHERE key = ?", (key,)).fetchone()
        if first is not None:
            rows = connection.execute(
                "SELECT key FROM chunks WHERE key BETWEEN ? AND ? AND (call = ? OR call IS NULL AND others LIKE ?)",
                (first, last, key, f"% {key} %"),
            )
            chunks |= {row[0] for row in rows}
    for chunk in chunks:
        _erase_in(connection, chunk, call_id, key)
    return len(chunks)


def _erase_in(connection: sqlite3.Connection, chunk: int, call_id: str, key: int | None) -> None:
    data, calls, others = connection.execute(
        "SELECT data, calls, others FROM chunks WHERE key = ?", (chunk,)
    ).fetchone()
    left = [record for record in decoded(data) if record.call_id != call_id]
    if not left:
        connection.execute("DELETE FROM chunks WHERE key = ?", (chunk,))
        return
    kept = None if calls is None else _encode([call for call in _decode_calls(calls) if call.call_id != call_id])
    connection.execute(
        "UPDATE chunks SET data = ?, calls = ?, others = ?, count = ?, kinds = ? WHERE key = ?",
        (
            encoded(left),
            kept,
            others if key is None else others.replace(f" {key} ", " "),
            len(left),
            sum(1 << kind for kind in {record.kind for record in left}),
            chunk,
        ),
    )
