"""The one event loop of a container's async code."""
