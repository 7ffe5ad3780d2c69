"""Walls around one container: namespaces made by bubblewrap, entered by a fork of the template, and what it gives up there."""
