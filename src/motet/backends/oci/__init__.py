"""Containers in OCI images, by podman or docker."""
