"""Where containers that run on this machine find what their images add, and where they begin; or why they do not."""

from __future__ import annotations

import os
import posixpath

from motet.images.remote_paths import LinkedPaths, is_below, why_not_shown
from motet.model.function import AppSpec
from motet.model.image import ImageSpec
from motet.model.isolation import Isolation


def lacking_files(image: ImageSpec, level: Isolation | None, app: AppSpec, links: LinkedPaths) -> list[str]:
    """The paths at which containers find nothing, or something else, in words. As processes they see the machine as it is:
    paths that can be made are, in `links`; within walls each has what it is to see."""
    found = []
    for files in image.files:
        if files.kind == "module":
            continue
        if not os.path.exists(files.source):
            why = f"{files.source} is not on this machine, which is to be {files.target} in containers"
        elif not posixpath.isabs(files.target):
            there = os.path.join(app.project_dir, files.target)
            why = "" if os.path.exists(there) else f"{there} is not on this machine, {files.source} is"
        elif level == "bubblewrap":
            why = why_not_shown(files.target, (app.project_dir, *app.sys_path))
        else:
            why = links.make(files)
        if why:
            found.append(why)
    return list(dict.fromkeys(found))


def lacking_workdir(image: ImageSpec, level: Isolation | None, app: AppSpec) -> list[str]:
    """Why containers do not begin where the image says."""
    workdir = os.path.join(app.project_dir, image.workdir)
    if not image.workdir or os.path.isdir(workdir):
        return []
    if level == "bubblewrap":
        for files in image.files:
            target = posixpath.normpath(files.target)
            below = os.path.join(files.source, posixpath.relpath(workdir, target))
            if files.kind == "directory" and is_below(workdir, [target]) and os.path.isdir(below):
                return []
    return [
        f"there is no directory {workdir}, where containers were to begin (Image.workdir): they begin where the program is"
    ]
