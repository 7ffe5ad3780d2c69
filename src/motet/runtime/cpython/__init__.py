"""The inside of CPython, as far as the runtime borrows from it: no other room touches it. `borrowed.py` is the list."""
