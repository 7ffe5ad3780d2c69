"""OCI images: how they are built, from the steps of an image."""
