"""The HTTP API: calls, and what there is to see of them, for other languages and for curl."""
