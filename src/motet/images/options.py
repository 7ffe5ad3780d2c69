"""What is said to uv for a step: Motet's names and pip's options, in uv's words."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from motet.model.image import LockedProject, PythonPackages

_MEANS_NOTHING = {
    *("--upgrade", "-U", "--no-cache-dir", "--force-reinstall", "--prefer-binary", "--break-system-packages", "--user"),
    *("--quiet", "-q", "--verbose", "-v", "--ignore-installed", "--no-input", "--system", "--compile-bytecode"),
    *("--no-warn-script-location", "--disable-pip-version-check", "--reinstall", "--no-color", "--compile"),
}
"""An environment is made anew, and has the newest of everything that fits."""

_WITH_VALUE = {
    "-i": "index_url",
    "--index-url": "index_url",
    "--default-index": "index_url",
    "--extra-index-url": "extra",
    "--index": "extra",
    "-f": "find_links",
    "--find-links": "find_links",
    "--trusted-host": "trusted",
}


@dataclass(slots=True)
class UvOptions:
    """Where packages come from, and what else holds for a step. `index_url`: "" is the usual index."""

    index_url: str = ""
    extra: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    trusted: list[str] = field(default_factory=list)
    pre: bool = False
    without_dependencies: bool = False
    more: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, step: PythonPackages | LockedProject) -> UvOptions:
        """Those of a step, also where its lines have them."""
        found = cls()
        if isinstance(step, PythonPackages):
            found.index_url, found.pre = step.index_url, step.pre
            found.extra = step.extra_index_url.split()
            found.find_links = step.find_links.split()
            found._read(shlex.split(step.extra_options))
            for line in step.lines:
                if line.startswith("-") and not line.startswith(("-e", "--editable", "--hash")):
                    found._read(shlex.split(line))
        return found

    def _read(self, words: Iterable[str]) -> None:
        words = iter(words)
        for word in words:
            name, has_value, value = word.partition("=") if word.startswith("--") else (word, "", "")
            if name in _MEANS_NOTHING or name in ("--root-user-action", "--progress-bar"):
                continue
            if name in ("--pre", "--no-deps", "--no-dependencies"):
                self.pre |= name == "--pre"
                self.without_dependencies |= name != "--pre"
            elif name in _WITH_VALUE:
                self._take(_WITH_VALUE[name], value if has_value else next(words, ""))
            else:
                self.more.append(word)

    def _take(self, what: str, value: str) -> None:
        if what == "index_url":
            self.index_url = value
        else:
            getattr(self, what).append(value)

    def arguments(self) -> Iterator[str]:
        """What uv is told."""
        if self.index_url:
            yield from ("--default-index", self.index_url)
        for option, values in (("--index", self.extra), ("--find-links", self.find_links)):
            for value in dict.fromkeys(values):
                yield from (option, value)
        for host in dict.fromkeys(self.trusted):
            yield from ("--allow-insecure-host", host)
        if self.extra:  # as pip does: the best version of all indexes, and not only what the first one has
            yield from ("--index-strategy", "unsafe-best-match")
        if self.pre:
            yield "--prerelease=allow"
        yield from self.more

    @classmethod
    def together(cls, steps: Iterable[UvOptions]) -> UvOptions:
        """Those of several steps, of which each finds its packages as if it were alone."""
        steps = list(steps)
        found = cls()
        urls = list(dict.fromkeys(each.index_url for each in steps))
        if len(urls) == 1:
            found.index_url = urls[0]
        else:
            found.extra += [url for url in urls if url]
        for each in steps:
            found.extra += each.extra
            found.find_links += each.find_links
            found.trusted += each.trusted
            found.pre |= each.pre
            found.more += [word for word in each.more if word not in found.more]
        return found
