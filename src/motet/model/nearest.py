"""What somebody may have meant by a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that asks; "" where nothing is near.

    >>> did_you_mean("shpo", ["shop", "till"]), did_you_mean("price", ["shop"])
    ("; did you mean 'shop'?", '')
    """
    import difflib  # late: hardly anybody misspells

    # Without regard to case, which is what is misspelled most.
    by_folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), by_folded, 1, cutoff=0.7)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""
