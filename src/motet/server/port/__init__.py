"""The port of a server that stays: where clients of other machines come in, over TLS, and HTTP is answered."""
