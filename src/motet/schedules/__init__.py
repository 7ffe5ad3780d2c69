"""Schedules as pure functions: when the next moment is, and what is due now."""
