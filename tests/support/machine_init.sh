#!/bin/sh
# PID 1 of a test machine, before systemd: builds its root and becomes systemd (see machine.py).
#
#   machine_init.sh NAME FOLDER MODE [MOUNT ...]
#
# Runs in mount, pid, uts, ipc, net and cgroup namespaces of its own; all that it mounts vanishes with them. FOLDER
# holds what outlives a power cut, the upper layer of the overlay. MODE says how this kernel has its cgroups: unified
# (version 2), or hybrid (version 2 tracks processes, version 1 limits them). MOUNT is show:SOURCE:TARGET, for a
# file or folder that is there read-only, or copy:SOURCE:TARGET, for a folder with a layer of its own above it.
set -eu
name=$1 folder=$2 mode=$3
shift 3
root=$folder/root
mkdir -p "$root" "$folder/upper" "$folder/work"
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" overlay "$root"

mkdir -p "$root/run" "$root/tmp" "$root/proc" "$root/sys" "$root/dev"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"                  # sysctls are the host's
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys" # read-only: udev then knows that it is in a container

# Device nodes of its own: never the host's.
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
node() { mknod -m 666 "$root/dev/$1" c "$2" "$3"; }
node null 1 3; node zero 1 5; node full 1 7; node random 1 8; node urandom 1 9; node tty 5 0
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
mount -t mqueue -o nosuid,nodev,noexec mqueue "$root/dev/mqueue"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# The cgroup namespace makes the cgroups that we were started in the roots.
groups=$root/sys/fs/cgroup
if [ "$mode" = unified ]; then
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$groups"
else
    mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs "$groups"
    mkdir "$groups/unified" "$groups/systemd"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$groups/unified"
    mount -t cgroup -o nosuid,nodev,noexec,none,name=systemd cgroup "$groups/systemd"
    sed -n 's/^[0-9]*:\([a-z]\+\):.*/\1/p' /proc/self/cgroup | while read -r controller; do
        mkdir "$groups/$controller"
        mount -t cgroup -o "nosuid,nodev,noexec,$controller" cgroup "$groups/$controller"
    done
    mount -o remount,ro,bind "$groups"
fi

hostname "$name"
ip link set lo up

# A machine begins with systemd, its journal and D-Bus, whatever is enabled on the host.
if [ ! -e "$folder/prepared" ]; then
    units=$root/usr/lib/systemd/system
    rm -rf "$root/etc/systemd/system" "$root/etc/systemd/system.conf.d" "$root/var/log/journal" "$units"/*.target.wants
    mkdir -p "$root/etc/systemd/system" "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/system-generators" \
        "$units/sysinit.target.wants" "$units/sockets.target.wants"
    for unit in sysinit.target.wants/systemd-journald.service sysinit.target.wants/systemd-tmpfiles-setup.service \
        sockets.target.wants/systemd-journald.socket sockets.target.wants/systemd-journald-dev-log.socket \
        sockets.target.wants/dbus.socket; do
        ln -s "../${unit#*/}" "$units/$unit"
    done
    for generator in "$root"/usr/lib/systemd/system-generators/*; do
        ln -s /dev/null "$root/etc/systemd/system-generators/${generator##*/}"
    done
    ln -s /dev/null "$root/etc/systemd/system/systemd-journald-audit.socket" # what it hears is the host's
    printf '[Journal]\nRateLimitIntervalSec=0\n' >"$root/etc/systemd/journald.conf.d/test.conf"
    : >"$root/etc/fstab"
    rm -f "$root/etc/machine-id" # it may be bind-mounted on the host
    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
    echo "$name" >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >"$root/etc/hosts"
    touch "$folder/prepared"
fi

for each; do
    how=${each%%:*} each=${each#*:}
    source=${each%%:*} target=$root${each#*:}
    if [ -d "$source" ]; then mkdir -p "$target"; else mkdir -p "${target%/*}"; [ -e "$target" ] || touch "$target"; fi
    if [ "$how" = show ]; then
        mount --bind "$source" "$target"
        mount -o remount,bind,ro "$target"
    else
        layer=$folder/copies${each#*:}
        mkdir -p "$layer/upper" "$layer/work"
        chown --reference="$source" "$layer/upper"
        mount -t overlay -o "lowerdir=$source,upperdir=$layer/upper,workdir=$layer/work" overlay "$target"
    fi
done

mkdir "$root/run/host"
cd "$root"
pivot_root . run/host
cd /
umount -l /run/host
rmdir /run/host
mount --make-rshared / # systemd leaves propagation to who starts it in a container; LoadCredential= needs it shared
exec env -i container=test TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --show-status=0 --log-target=journal --unit=multi-user.target
