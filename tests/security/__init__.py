"""What others may not do: each way in, tried by who has no right to it."""
