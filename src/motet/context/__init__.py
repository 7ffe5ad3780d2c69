"""Where code runs: for which input, in which container, of which program. What handles and the runtime both must know."""
