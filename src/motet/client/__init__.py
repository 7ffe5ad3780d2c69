"""The client: a connection to a server, whichever way the bytes go."""
