"""Processes beside the container's own: its family, forked children, and orphans."""
