"""One attempt: its arguments, the call of the user's code, and the one outcome that comes of it."""
