"""From a function's specification to code that can be called, with the program's surroundings."""
