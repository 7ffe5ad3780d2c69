"""Handles on what runs: functions, calls, queues, logs, and the ways to call a function."""
