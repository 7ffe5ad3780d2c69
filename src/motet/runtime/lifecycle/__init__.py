"""A container's process from the fork to its end: the template, birth, preemption (SIGTERM), and leaving."""
