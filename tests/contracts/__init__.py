"""Contracts: what every implementation of a seam must do, as test classes to inherit."""
