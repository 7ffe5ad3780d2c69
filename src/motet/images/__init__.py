"""Images as environments: Python environments that have what an image asks for, built once and kept."""
