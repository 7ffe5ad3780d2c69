"""Which input a thread, a task or a context variable belongs to. What code prints is attributed by it (`output`)."""
