"""The closing lines of a run: how much each function did, and in what time."""

from __future__ import annotations

from collections.abc import Iterable

from motet.cli.progress import FunctionProgress
from motet.model.views import LearnedTargetView

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def summary_lines(functions: Iterable[FunctionProgress]) -> list[str]:
    """One line for each function that had inputs, another if some of them were left unfinished, and one for what it learned."""
    lines: list[str] = []
    for function in functions:
        if function.finished or function.unfinished:
            lines.append(_done_line(function))
        if function.unfinished:
            lines.append(f"{' ' * len(function.view.name)}  {count(function.unfinished, 'input')} not finished")
        if function.view.learned_target is not None and function.finished:
            lines.append(f"{' ' * len(function.view.name)}  {target_line(function.view.learned_target)}")
    return lines


def _done_line(function: FunctionProgress) -> str:
    view = function.view
    details = [f"{view.failed_inputs:,} failed"]
    completed = view.succeeded_inputs + view.failed_inputs
    if function.elapsed > 0 and completed > 1:
        details.insert(0, f"{rate(completed / function.elapsed)} inputs/s")
    if view.cancelled_inputs:
        details.append(f"{view.cancelled_inputs:,} cancelled")
    return (
        f"{view.name}: {count(function.finished, 'input')} in {count(view.started_containers, 'container')} "
        f"in {seconds(function.elapsed)} ({', '.join(details)})"
    )


def target_line(learned: LearnedTargetView) -> str:
    """What `target_inputs="auto"` has come to.

    >>> target_line(LearnedTargetView(target_inputs=14, confidence=0.8, curve=(), reason="the knee of what is known"))
    'target auto: 14 (confidence 0.8)'
    """
    return f"target auto: {learned.target_inputs} (confidence {learned.confidence:.1f})"


def count(number: int, noun: str) -> str:
    """
    >>> count(1, "input"), count(1000, "input")
    ('1 input', '1,000 inputs')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def rate(per_second: float) -> str:
    """A rate with two significant digits at least.

    >>> rate(0.25), rate(8.3), rate(1234.5)
    ('0.25', '8.3', '1,234')
    """
    if per_second >= 10:
        return f"{per_second:,.0f}"
    return f"{per_second:.1f}" if per_second >= 1 else f"{per_second:.2f}"


def seconds(duration: float) -> str:
    """A duration for people.

    >>> seconds(0.0312), seconds(1.23), seconds(75), seconds(3700)
    ('31 ms', '1.2 s', '1 min 15 s', '1 h 1 min')
    """
    if duration < 0.1:
        return f"{duration * 1000:.0f} ms"
    if duration < 60:
        return f"{duration:.1f} s"
    minutes, rest = divmod(int(duration), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def clock(duration: float) -> str:
    """A running duration of constant width.

    >>> clock(75), clock(3700)
    ('1:15', '1:01:40')
    """
    minutes, rest = divmod(int(duration), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def size_text(size: float) -> str:
    """A size for people: "12 KiB", "3.4 MiB"."""
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if unit in _UNITS[:2] or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError(size)
