"""What is kept of calls, inputs, containers and what they wrote, for whoever looks later.

All moments are wall-clock seconds since the epoch once they are in a store. Until then those that the engine notes are
on its own clock (see `server/records/`).
"""
