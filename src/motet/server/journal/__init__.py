"""Spawned calls that outlive the server: kept in a journal before they are acknowledged, and gone on with by the next one."""
