"""Processes beside the container's own: forked children, and orphans."""
