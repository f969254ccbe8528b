#!/bin/bash
# Sets FIP up in this checkout and runs it. Each verb may be given again at any time and does nothing twice.
#
#   ./install.sh run [MS ...]   image MeasurementSets, or find the transient in a simulated one; make a movie of the images
#   ./install.sh test [--long] [ARG ...]
#                               pass the tests, with --long those of many more kills too (arguments go to pytest)
#
# Makes this machine a node of a layout, as root (docs/deploy.md):
#
#   ./install.sh node [--name HOST] [--offline WHEELS] [--dry-run]
#                               install FIP in /opt/fip, with the systemd units that the layout gives this host
#   ./install.sh upgrade [--offline WHEELS] [--dry-run]
#                               change a node to this checkout's version; back again where that does not start
#   ./install.sh uninstall [--purge] [--dry-run]
#                               remove it; images and ledgers stay
set -eu

cd "$(dirname "$0")"
venv=.venv
python_must="sys.version_info >= (3, 11)"
pythons="python3.14 python3.13 python3.12 python3.11 python3"

say() { printf '%s\n' "fip: $*"; }
fail() { printf '%s\n' "fip: $*" >&2; exit 1; }

# The command that installs a Python that will do, for messages.
python_command() {
    name=python3
    ! command -v $name >/dev/null || python_is_new $name || name=python3.11
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo "
    if command -v apt-get >/dev/null; then
        echo "${sudo}apt-get install $name $name-venv" # Debian has what makes virtual environments apart
    elif command -v dnf >/dev/null; then
        echo "${sudo}dnf install $name"
    elif command -v zypper >/dev/null; then
        echo "${sudo}zypper install $name"
    else
        echo "install $name with this system's package manager"
    fi
}

python_is_new() {
    "$1" -c "import sys; sys.exit(not ($python_must))" 2>/dev/null
}

find_python() {
    for name in $pythons; do
        if python_is_new "$name" && "$name" -c 'import ensurepip, venv' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

make_venv() {
    [ -x $venv/bin/python ] && $venv/bin/python -c '' 2>/dev/null && return
    python=$(find_python) || fail "a Python of 3.11 or newer that can make virtual environments is needed; none of these\
 is one: $pythons. Try: $(python_command)"
    say "making $venv with $python"
    "$python" -m venv --clear $venv
}

# install_here EXTRAS: the package and what it needs, pinned; again only when pyproject.toml or constraints.txt changed.
install_here() {
    make_venv
    stamp="$venv/.fip-$1"
    wanted=$(cat pyproject.toml constraints.txt)
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
    say "installing FIP and what it needs from the package index (about $2 to download the first time)"
    $venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable "$3" ||
        fail "the installation failed: what pip said is above. Nothing outside of $venv was touched"
    printf '%s\n' "$wanted" >"$stamp"
}

run() {
    install_here run "240 MB" .
    $venv/bin/fip warmup
    how=(--pace max) demo=""
    if [ $# -eq 0 ]; then
        demo=yes
        # one image a second, so that there is something to watch; without the steady sky, so that the transient is found
        how=(--pace 8 --subtract-model --detect)
        if [ ! -d demo.ms ]; then
            say "no MeasurementSet is named: simulating an observation, demo.ms; what is in it: demo.truth.ecsv"
            $venv/bin/fip simulate demo.ms --integrations 60
        fi
        set -- demo.ms
    fi
    stem=$(basename "$1")
    images=${stem%.*}.fip
    $venv/bin/fip run --web "${how[@]}" --output "$images" "$@"
    if [ -n "$demo" ]; then
        say "one picture with the steady sources, of all integrations together: demo-sky.fip"
        $venv/bin/fip run --average 60 --output demo-sky.fip demo.ms
        [ -e demo-sky.fip/movie.mp4 ] || $venv/bin/fip movie --png demo-sky.fip demo-sky.fip
    fi
    [ "$images/movie.mp4" -nt "$images/images.txt" ] || $venv/bin/fip movie "$images"
    say "open $images/movie.mp4, and $images/*.fits with CARTA or DS9"
}

tests() {
    install_here test "400 MB" ".[dev]"
    missing=""
    if command -v dpkg-query >/dev/null; then
        while read -r package _; do
            case $package in '' | '#'*) continue ;; esac
            dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
                missing="$missing $package"
        done <tests/debian.txt
    fi
    [ -z "$missing" ] || say "some tests need Debian packages and are skipped: sudo apt-get install$missing"
    $venv/bin/fip warmup & # what tests need to be compiled, meanwhile
    warming=$!
    trap 'kill $warming 2>/dev/null || true' EXIT
    $venv/bin/ruff check .
    $venv/bin/ruff format --check .
    $venv/bin/mypy
    $venv/bin/lint-imports --no-cache
    wait $warming
    trap - EXIT
    # Two files at a time: tests wait for daemons more than they work.
    $venv/bin/python -m pytest --numprocesses 2 --dist loadfile "$@"
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
    run) run "$@" ;;
    test) tests "$@" ;;
    node | upgrade | uninstall)
        # shellcheck source=systemd/node.sh
        . systemd/node.sh
        "$verb" "$@"
        ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; [ -z "$verb" ] || exit 2 ;;
esac
