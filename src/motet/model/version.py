"""Which Motet this is."""

VERSION = "0.1.0"
