# The verbs of install.sh that make a machine a node of a layout: node, upgrade, uninstall. install.sh sources it.
# shellcheck shell=bash
#
# Versions stand side by side in /opt/fip/versions, each a virtual environment with the units that belong to it;
# /opt/fip/current is a link to the one in use. A step that fails leaves link, units and daemons as they were.

prefix=/opt/fip
settings=/etc/fip/fip.toml
unit_folder=/etc/systemd/system
cache=/var/cache/fip
folders="/etc/fip, /run/fip, /run/fip-readers, /var/lib/fip, /var/lib/fip-ventilator, /var/lib/fip-monitor, /var/lib/fip-follower, /var/lib/fip-receiver, $cache"
dry=""

# step WHAT COMMAND...: says what is done, and does it; with --dry-run only says it.
step() {
    say "${dry:+would be }$1"
    [ -n "$dry" ] || "${@:2}" || fail "$1: failed, see above. $unchanged"
}
unchanged="Nothing that runs was changed"

node() {
    host=$(hostname -s) wheels=""
    options "$@"
    check_machine
    plan=$(mktemp -d) && trap 'rm -rf "$plan"' EXIT
    make_version
    step "making users fip, fip-monitor, fip-follower and fip-receiver and the folders $folders" make_places
    [ -e $settings ] || step "copying config/fip.toml to $settings: the layout, for you to edit" \
        install -m 644 config/fip.toml $settings
    if [ -n "$dry" ] && [ ! -e "$version/complete" ]; then
        say "would be placing units, enabling those that $settings gives to host $host, and compiling kernels"
        return
    fi
    make_plan
    mapfile -t units <"$plan/units"
    warm_kernels
    switch_version
    enable_units
    say "host $host runs ${units[*]}"
    say "who is in the group fip may submit jobs and watch, without keys: usermod -aG fip USER"
    say "start them: systemctl start fip.target; watch them: systemctl status 'fip-*', journalctl -f -u 'fip-*'"
}

upgrade() {
    host=$(hostname -s) wheels=""
    options "$@"
    check_machine
    [ -e $prefix/current ] || fail "FIP is not installed in $prefix: ./install.sh node"
    make_version
    mapfile -t units < <(enabled_units)
    step "checking $settings with $version" check_settings
    step "making users fip, fip-monitor, fip-follower and fip-receiver and the folders $folders" make_places
    plan=$(mktemp -d) && trap 'rm -rf "$plan"' EXIT
    [ -n "$dry" ] || make_plan
    step "writing the layout's drop-ins" place_drop_ins
    warm_kernels
    switch_version
}

uninstall() {
    purge=""
    for option; do
        case $option in
            --purge) purge=yes ;;
            --dry-run) dry=yes ;;
            *) fail "uninstall takes --purge and --dry-run, not '$option'" ;;
        esac
    done
    [ "$(id -u)" = 0 ] || fail "uninstall must be run by root: sudo ./install.sh uninstall"
    unchanged="What was removed so far is gone: run it again"
    step "draining and stopping what runs" stop_all
    step "removing the units, $prefix and the command fip" remove_program
    if [ -n "$purge" ]; then
        step "removing /etc/fip, $cache, users fip, fip-monitor, fip-follower and fip-receiver" remove_settings
    else
        say "kept: /etc/fip (configuration, keys), users fip, fip-monitor, fip-follower and fip-receiver; --purge removes them"
    fi
    say "kept: images, their ledgers and the queue of jobs, in /var/lib/fip and beside it, or where $settings said"
}

options() {
    while [ $# -gt 0 ]; do
        case $1 in
            --dry-run) dry=yes ;;
            --name) host=${2:?"--name needs the name that the layout has for this machine"} && shift ;;
            --offline) wheels=$(realpath "${2:?"--offline needs a folder of wheels"}") && shift ;;
            *) fail "node and upgrade take --name HOST, --offline WHEELS and --dry-run, not '$1'" ;;
        esac
        shift
    done
    [ -z "$wheels" ] || ls "$wheels"/fip-*.whl >/dev/null 2>&1 ||
        fail "$wheels has no wheel of FIP: make it by pip wheel --constraint constraints.txt --wheel-dir WHEELS ."
}

check_machine() {
    [ "$(id -u)" = 0 ] || fail "a node is installed by root: sudo ./install.sh node"
    [ -d /run/systemd/system ] || fail "systemd does not run here, and it is what runs a node's daemons"
    # Daemons have no access to homes, so a Python that is in one, as pyenv's, does not do.
    python_must="$python_must and not sys.base_prefix.startswith(('/home/', '/root/'))"
    PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
    umask 022
    python=$(find_python) || fail "the system has no Python of 3.11 or newer that can make virtual environments (one in\
 a home does not do). Try: $(python_command)"
}

# The GPU extra of the package that suits the driver: CUDA 13 needs driver 580, CUDA 12 driver 525.
gpu_extra() {
    [ -r /proc/driver/nvidia/version ] || return 0
    driver=$(sed -n 's/^NVRM.* \([0-9]\{3,\}\)\.[0-9.]* .*/\1/p' /proc/driver/nvidia/version)
    if [ "${driver:-0}" -ge 580 ]; then echo "[gpu13]"; elif [ "${driver:-0}" -ge 525 ]; then echo "[gpu]"; fi
}

# A version is named by its number and by what it is made of, so that the same is not installed twice.
make_version() {
    extra=$(gpu_extra)
    if [ -n "$wheels" ]; then
        wheel=$(find "$wheels" -name 'fip-*.whl' | sort -V | tail -1)
        number=$(basename "$wheel" | cut -d- -f2)
        from="the wheels of $wheels" sources=("$wheel" systemd)
        wanted=(--no-index --find-links "$wheels" "fip$extra==$number")
    else
        number=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
        from="the package index" sources=(pyproject.toml lib daemons systemd)
        wanted=("./source$extra")
    fi
    digest=$({
        find "${sources[@]}" constraints.txt -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 cat
        echo "$extra" "$("$python" --version)"
    } | sha256sum | cut -c1-8)
    version=$prefix/versions/$number-$digest
    if [ -e "$version/complete" ]; then
        say "$version is there"
    else
        [ -z "$extra" ] || say "an NVIDIA driver is here: with it comes the extra $extra"
        step "making $version with $python and $from" build_version
    fi
}

build_version() {
    rm -rf "$version"
    if mkdir -p "$prefix/versions" && "$python" -m venv "$version" && copy_source "$version/source" &&
        (cd "$version" && bin/python -m pip install --quiet --disable-pip-version-check \
            --constraint source/constraints.txt "${wanted[@]}") &&
        mv "$version/source/systemd" "$version/systemd" && rm -rf "$version/source"; then
        touch "$version/complete"
    else
        rm -rf "$version"
        return 1
    fi
}

# A build leaves files beside what it builds: root's, in a checkout that is another's, and old ones for the next build.
copy_source() {
    mkdir "$1" && cp -rL pyproject.toml README.md LICENSE constraints.txt lib daemons systemd "$1"
}

make_places() {
    install -D -m 644 systemd/sysusers.conf /etc/sysusers.d/fip.conf &&
        install -D -m 644 systemd/tmpfiles.conf /etc/tmpfiles.d/fip.conf &&
        systemd-sysusers fip.conf &&
        systemd-tmpfiles --create fip.conf
}

# What the layout gives this host. A layout that does not hold ends it here, before anything is changed.
make_plan() {
    "$version/bin/python" -m fip.layout.placement "$host" $settings "$plan" || fail "$settings: see above. $unchanged"
    while read -r user folder; do
        [ -d "$folder" ] || step "making $folder, writable for user $user" install -d -o "$user" -g fip -m 755 "$folder"
        say "the layout has daemons write to $folder: a drop-in lets them"
    done <"$plan/folders"
    say "the MeasurementSets that you submit must be readable by user fip"
}

check_settings() {
    "$version/bin/fip" check $settings >/dev/null
}

warm_kernels() {
    case ${units[*]} in *fip-worker* | *fip-detector*) ;; *) return ;; esac
    step "compiling the imaging kernels, unless they are in $cache" \
        runuser -u fip -- env FIP_CACHE=$cache "$version/bin/fip" warmup
}

# Flips the link to the new version: what runs is drained before and started after; if it does not start, back again.
switch_version() {
    before=""
    [ ! -e $prefix/current ] || before=$(readlink -f $prefix/current)
    if [ "$before" = "$version" ]; then
        step "placing the units again" place_units "$version"
        return
    fi
    mapfile -t running < <(active_units)
    if [ ${#running[@]} -gt 0 ]; then
        step "draining what runs: ${running[*]}" systemctl stop fip.target "${running[@]}"
    fi
    unchanged="The version before is in use again"
    step "changing from ${before:-nothing} to $version" use_version "$version" "$before"
    [ ${#running[@]} -gt 0 ] || return 0
    say "${dry:+would be }starting ${running[*]}"
    [ -z "$dry" ] || return 0
    if ! systemctl start fip.target "${running[@]}"; then
        journalctl --no-pager -n 20 -u 'fip-*' >&2
        use_version "$before" "$version"
        systemctl reset-failed 'fip-*' || true
        systemctl start fip.target "${running[@]}" || true
        fail "$version does not start, see above: $before is in use again"
    fi
    find $prefix/versions -mindepth 1 -maxdepth 1 ! -path "$version" ! -path "$before" -exec rm -rf {} +
}

active_units() {
    systemctl list-units --plain --no-legend --state=active,activating,reloading 'fip-*.service' |
        cut -d' ' -f1 | grep -v '^fip-gpu' || true
}

enabled_units() {
    [ ! -d $unit_folder/fip.target.wants ] || ls $unit_folder/fip.target.wants
}

# use_version NEW OLD: link and units
use_version() {
    [ -z "$2" ] || remove_units "$2"
    ln -sfn "versions/$(basename "$1")" $prefix/current.new && mv -T $prefix/current.new $prefix/current &&
        ln -sfn $prefix/current/bin/fip /usr/local/bin/fip && place_units "$1"
}

place_units() {
    (cd "$1/systemd" && find . -path './fip*' -type f -exec install -D -m 644 {} $unit_folder/{} \;) &&
        systemctl daemon-reload
}

# The units of a version; drop-ins of the operator's stay.
remove_units() {
    (cd "$1/systemd" && find . -path './fip*' -type f -exec rm -f $unit_folder/{} \;)
}

# Exactly what the layout gives this host is enabled; drop-ins of the layout before are gone.
enable_units() {
    step "writing the layout's drop-ins" place_drop_ins
    for unit in $(enabled_units); do
        case " ${units[*]} " in
            *" $unit "*) ;;
            *) step "disabling $unit, which the layout does not give to $host" systemctl disable --quiet "$unit" ;;
        esac
    done
    step "enabling fip.target ${units[*]}" systemctl enable --quiet fip.target "${units[@]}"
}

place_drop_ins() {
    rm -f $unit_folder/fip-*.d/50-layout.conf
    (cd "$plan" && find . -name 50-layout.conf -exec install -D -m 644 {} $unit_folder/{} \;) &&
        systemctl daemon-reload
}

stop_all() {
    [ -e $unit_folder/fip.target ] || return 0
    mapfile -t units < <(active_units; enabled_units)
    systemctl stop fip.target "${units[@]}" && systemctl disable --quiet fip.target "${units[@]}"
}

remove_program() {
    { [ ! -e $prefix/current ] || remove_units $prefix/current; } &&
        rm -f $unit_folder/fip-*.d/50-layout.conf &&
        find $unit_folder -maxdepth 1 -name 'fip-*.d' -empty -delete &&
        rm -rf $prefix /usr/local/bin/fip /etc/sysusers.d/fip.conf /etc/tmpfiles.d/fip.conf &&
        systemctl daemon-reload
}

remove_settings() {
    rm -rf /etc/fip $cache /run/fip /run/fip-readers
    for user in fip-receiver fip-follower fip-monitor fip; do
        ! id "$user" >/dev/null 2>&1 || userdel "$user" || return 1
    done
    ! getent group fip >/dev/null || groupdel fip
}
