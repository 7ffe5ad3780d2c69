"""Cancelling an input that runs on a thread, and that one alone: interrupting it, and where that may happen."""
