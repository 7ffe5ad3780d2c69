"""The command line of a template: what its backend tells it before it can talk."""

from __future__ import annotations

import argparse


def arguments_of_template() -> argparse.Namespace:
    """Those of this process."""
    parser = argparse.ArgumentParser(prog="python -m motet.runtime.lifecycle.template")
    parser.add_argument("--control", type=int, required=True, help="descriptor of the Unix socket to the backend")
    parser.add_argument("--parent", type=int, required=True, help="pid of the backend's process")
    parser.add_argument("--scratch", required=True, help="its own directory in the backend's, to remove at the end")
    parser.add_argument("--left-behind", help="directory to remove if the backend's process was killed")
    parser.add_argument("--entry", required=True, help="module:function that runs a container; tests give their own")
    parser.add_argument("--runtime", help="where it has found Motet, if an environment is to be entered later")
    parser.add_argument(
        "--python", help="the interpreter of that environment, if it is to be entered before what is imported"
    )
    return parser.parse_args()
