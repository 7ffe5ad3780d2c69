"""The inside of a container: `container.py` is its life, `executor.py` runs inputs in its slots; the rest is in rooms."""
