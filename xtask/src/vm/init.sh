#!/bin/busybox sh
# The guest's first process: sets the system up, runs the command that xtask put into /command (or a
# shell on the console), sends its exit status, powers off.
#
# Standard output and error of the command leave through virtio ports of their own, so that they mix
# neither with each other nor with the kernel's messages. Pipes are between the command and the
# ports: the command sees pipes, not terminals, and can open /dev/stdout again, which a port would
# refuse.

export PATH=/bin HOME=/root TERM="${TERM:-linux}"

busybox mount -t proc proc /proc
# Links to busybox, where there is no program of the name.
busybox --install -s /bin
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
# What this kernel does not have is left out; the program under test has to cope with that.
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
hostname guest
ip link set lo up
cd /root || exit

# Sets $modules, the modules to load.
. /etc/guest.conf
modprobe -a $modules

modprobe -a virtio_pci virtio_console

# The device of the port with a name; ports appear some time after their driver.
port() {
    tries=0
    while [ $tries -lt 500 ]; do
        for dir in /sys/class/virtio-ports/*; do
            if [ "$(cat "$dir/name" 2>/dev/null)" = "$1" ] && [ -c "/dev/${dir##*/}" ]; then
                echo "/dev/${dir##*/}"
                return
            fi
        done
        usleep 10000
        tries=$((tries + 1))
    done
    echo "init: no virtio port $1; virtio_pci and virtio_console are needed" >&2
    poweroff -f
}

# Sends an archive of what the user wants to have: 1, 2, … in the order that /etc/guest.out names it. Nothing is copied
# for that, but what has no size, as files in /proc.
send() {
    mkdir /out
    n=0
    while read -r path; do
        n=$((n + 1))
        if [ -d "$path" ]; then
            mkdir /out/$n && mount --bind "$path" /out/$n
        elif [ -s "$path" ]; then
            : >/out/$n && mount --bind "$path" /out/$n
        elif [ -f "$path" ]; then
            cat "$path" >/out/$n
        fi
    done </etc/guest.out
    tar -c -C /out . >"$(port out)"
}

exec 9>"$(port control)"

if [ ! -e /command ]; then
    echo ready >&9
    # This shell can edit lines; its own `ip` cannot do what the real one can.
    ENV=/etc/shrc setsid cttyhack sh 9>&-
    # A shell ends with the status of its last command, which is no failure of the guest's.
    status=0
else
    mkfifo /run/stdout /run/stderr
    cat /run/stdout >"$(port stdout)" & out=$!
    cat /run/stderr >"$(port stderr)" & err=$!

    echo ready >&9
    # In a subshell, or this shell would report a signal that ended the command on the command's
    # standard error.
    (exec /bin/sh /command </dev/null >/run/stdout 2>/run/stderr 9>&-)
    status=$?

    # Both end when nothing holds their pipe open any more. A process that the command left behind does
    # not hold us up.
    (sleep 2; kill $out $err) 2>/dev/null &
    wait $out $err
fi

[ -e /etc/guest.out ] && send
echo "exit $status" >&9
poweroff -f
