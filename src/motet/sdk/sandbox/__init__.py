"""`motet.Sandbox`: commands in a container of their own, from anywhere."""
