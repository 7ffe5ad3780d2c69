# Fresh virtual environments and the Pythons that are there, for run and nightly. $work: where environments are made.

# environment NAME PYTHON ARGUMENT...: makes $work/NAME, and installs there.
environment() {
    local at=$work/$1 python=$2
    shift 2
    # Debian keeps the part of venv that installs pip in a package of its own; the pip that is there can install from outside.
    "$python" -m venv --without-pip "$at"
    python3 -m pip --python "$at/bin/python" --disable-pip-version-check install --quiet "$@"
}

# found VERSION: the path of that Python, from PATH or from where pyenv keeps its own.
found() {
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if [ "$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ]; then
            echo "$candidate"
            return
        fi
    done
}
