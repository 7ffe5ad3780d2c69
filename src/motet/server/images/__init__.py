"""Environments of images, as a server has them built."""
