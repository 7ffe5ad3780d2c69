"""What programs declare: apps, their functions and classes, and the decorators on these."""
