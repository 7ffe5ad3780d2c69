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
    """Where packages come from, and what else holds for a step. `index_url`: "" is the usual index. `best_of_all`: the newest
    version of all indexes is taken, as pip does, and not what the first index has that knows the package, as uv does."""

    index_url: str = ""
    extra: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    trusted: list[str] = field(default_factory=list)
    pre: bool = False
    without_dependencies: bool = False
    best_of_all: bool = False
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
            found.best_of_all = bool(found.extra) and step.method != "uv_pip_install"
        else:
            found.extra = list(step.indexes)
            # The lock file says the versions; of equal ones that of the project's own source is taken.
            found.best_of_all = bool(found.extra and step.lock)
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

    def arguments(self, *, is_locked: bool = False) -> Iterator[str]:
        """What uv is told. `is_locked`: hashes say which files are meant, on whichever index they are."""
        if self.index_url:
            yield from ("--default-index", self.index_url)
        for option, values in (("--index", self.extra), ("--find-links", self.find_links)):
            for value in dict.fromkeys(values):
                yield from (option, value)
        for host in dict.fromkeys(self.trusted):
            yield from ("--allow-insecure-host", host)
        if self.best_of_all or (is_locked and self.extra):
            yield from ("--index-strategy", "unsafe-best-match")
        if self.pre:
            yield "--prerelease=allow"
        yield from self.more

    @classmethod
    def together(cls, steps: Iterable[UvOptions]) -> UvOptions:
        """Those of several steps, of which each finds its packages. Where one has an index of its own, what that knows comes
        from there: nobody is to take its place by a newer version elsewhere."""
        steps = list(steps)
        found = cls()
        urls = list(dict.fromkeys(each.index_url for each in steps))
        if len(urls) == 1:
            found.index_url = urls[0]
        else:
            found.extra += [url for url in urls if url]
        found.best_of_all = len(urls) == 1 and any(each.best_of_all for each in steps)
        for each in steps:
            found.extra += each.extra
            found.find_links += each.find_links
            found.trusted += each.trusted
            found.pre |= each.pre
            found.more += [word for word in each.more if word not in found.more]
        return found
