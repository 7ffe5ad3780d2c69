"""A world in one process whose parts fail: real servers and clients on virtual time, and dice that decide what goes wrong."""
