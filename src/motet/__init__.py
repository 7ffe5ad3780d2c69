"""Run Python functions on autoscaled pools of containers, many inputs at once in each."""
