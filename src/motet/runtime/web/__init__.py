"""Web functions inside a container: requests as ASGI, WSGI, or on to a server on a port of its own."""
