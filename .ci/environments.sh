# Fresh virtual environments and the Pythons that are there, for run and nightly. $work: where environments are made.

# environment NAME PYTHON ARGUMENT...: makes $work/NAME, and installs there what `pip install ARGUMENT...` would.
environment() {
    local at=$work/$1 python=$2
    shift 2
    # Debian keeps the part of venv that installs pip in a package of its own; the pip that is there can install from outside.
    "$python" -m venv --without-pip "$at"
    # uv takes 5 s of processor time where pip takes a minute. Where only pip knows how to reach the index, pip does it.
    if [ -x "$work/uv/bin/uv" ] && "$work/uv/bin/uv" pip install --quiet --python "$at/bin/python" "$@"; then
        return
    fi
    from_pip "$at" "$@"
}

# from_pip ENVIRONMENT ARGUMENT...
from_pip() {
    local at=$1
    shift
    python3 -m pip --python "$at/bin/python" --disable-pip-version-check install --quiet "$@"
}

# with_uv: uv in an environment of its own, for those that follow.
with_uv() {
    python3 -m venv --without-pip "$work/uv"
    from_pip "$work/uv" uv || echo "uv could not be installed: pip makes the environments"
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
