"""What user code, and the processes that it starts, print: logs, attributed to the input that they come from."""
