"""Code that keeps a container's other inputs from running: the watchdog, what counts as a stall, and what is done."""
