"""Deployed apps: versions under names, which outlive the programs that deployed them."""
