from __future__ import annotations

import motet
from motet.images.host import HOST_PACKAGES, missing_on_host

IMAGE = motet.Image.debian_slim().apt_install("sh", "no-such-package-anywhere")


def test_system_packages_that_the_machine_lacks_are_told_with_what_to_do() -> None:
    (said,) = missing_on_host(IMAGE.spec, {})
    assert said.startswith("no-such-package-anywhere is not installed on this machine: apt-get install")


def test_what_the_user_says_the_machine_has_is_not_told() -> None:
    assert missing_on_host(IMAGE.spec, {HOST_PACKAGES: "ffmpeg, no-such-package-anywhere"}) == []
    assert missing_on_host(IMAGE.run_commands("make").spec, {HOST_PACKAGES: "all"}) == []


def test_steps_that_are_not_carried_out_are_told() -> None:
    image = motet.Image.from_registry("nvidia/cuda:12").pip_install("a").run_commands("make " + "x" * 200)
    base, commands = missing_on_host(image.spec, {})
    assert base.startswith("Image.from_registry nvidia/cuda:12 is not carried out: it needs a real image")
    assert "xx... is not carried out" in commands
