"""Charts as files: SVG as they are, PNG with an optional package."""

from __future__ import annotations

from pathlib import Path

import click

from motet.errors import InvalidError, UnimplementedError


def check_chart(path: Path | None) -> None:
    """Whether a chart can be written there. Raises `InvalidError` or `UnimplementedError` that says why not."""
    if path is None:
        return
    if path.suffix.lower() not in (".svg", ".png"):
        raise InvalidError(f"--chart writes FILE.svg or FILE.png, got {str(path)!r}")
    if not path.parent.is_dir():
        raise InvalidError(f"--chart: there is no directory {str(path.parent)!r}")
    if path.suffix.lower() == ".png":
        _png('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')


def write_chart(svg: str, path: Path) -> None:
    """Write it as SVG or PNG, by the file's name. Raises `click.ClickException` if the file cannot be written."""
    try:
        if path.suffix.lower() == ".png":
            path.write_bytes(_png(svg))
        else:
            path.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"--chart: {path}: {error.strerror}") from error


def _png(svg: str) -> bytes:
    try:
        # Late: an optional package, and nothing else needs it.
        import resvg_py
    except ImportError:
        raise UnimplementedError(
            "a chart as PNG needs `pip install 'motet[chart]'` (resvg-py); FILE.svg needs nothing"
        ) from None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg))
