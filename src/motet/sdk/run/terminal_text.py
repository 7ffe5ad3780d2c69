"""Text of strangers (functions, servers, file names) for a terminal: what it shows stays, what it would do goes.

Each text is cut into tokens once, and only whole tokens that are harmless are kept. What is kept is never looked at again, so
that nothing can be joined out of what was left out.
"""

from __future__ import annotations

import re

ACTING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""Characters that do something instead of being shown: control characters, and such as reorder or hide others. Zero-width
joiners are not among them: emoji, Persian and Indic scripts are written with them."""

_SGR = r"\x1b\[[0-9;:]*m"
# Without C1, of which each might begin a string anew: a line of nothing else would be read to its end for each of them.
_STRING_BODY = r"[^\x07\x18\x1a\x1b\x80-\x9f\n]*"
_STRING_END = r"(?:\x07|\x9c|\x1b\\|[\x18\x1a]|(?=\x1b))"
_TOKENS = re.compile(
    rf"({_SGR})"
    # OSC, DCS, SOS, PM, APC with all that they carry. One without an end shows as text, without its beginning.
    rf"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]){_STRING_BODY}{_STRING_END}"
    # CSI, then all other sequences, of two characters or with intermediate ones.
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]"
    # A beginning without an end, and single characters.
    rf"|\x1b\[?|{ACTING.pattern}|[\U000e0000-\U000e007f]"
    r"|([\ud800-\udfff])"
)
_COLOUR = re.compile(_SGR)


def displayable(line: str) -> str:
    """What of a line may go to a terminal: colours (SGR sequences) stay, every other sequence, control character and
    character that reorders text goes, and of what a carriage return was to overwrite only the last is left."""
    if line.isprintable():
        return line
    return _TOKENS.sub(_kept, line.rstrip("\r").rpartition("\r")[2])


def harmless(text: str) -> str:
    """Text of one or more lines without colours either: nothing is left but characters to read, newlines and tabs."""
    if text.isprintable():
        return text
    return _COLOUR.sub("", "\n".join(map(displayable, text.split("\n"))))


def coloured_lines(text: str) -> str:
    """Text of one or more lines with its colours, which end with it."""
    if text.isprintable():
        return text
    shown = "\n".join(map(displayable, text.split("\n")))
    return f"{shown}\x1b[0m" if "\x1b" in shown else shown


def _kept(token: re.Match[str]) -> str:
    colour, surrogate = token.groups()
    return colour or (f"\\u{ord(surrogate):04x}" if surrogate else "")
