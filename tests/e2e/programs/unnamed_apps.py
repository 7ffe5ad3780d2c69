"""Two apps without a name, which have functions of the same name."""

from __future__ import annotations

import warnings

import motet

first, second = motet.App(), motet.App()
third = motet.App()


@second.function(name="which")
def which_of_second() -> str:
    return "second"


@first.function(name="which")
def which_of_first() -> str:
    return "first"


@first.function()
def ask_second() -> str:
    return which_of_second.remote()


@third.function()
def ask_both() -> list[str]:
    return [which_of_first.remote(), which_of_second.remote()]


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of one name that means two functions
    third.include(first).include(second)
