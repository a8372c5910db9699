#!/bin/sh
# Installs what is beside it, or takes it away again; as root. PREFIX is for the program and its pages, DESTDIR for another root.
#
#   ./install.sh              installs, and starts nothing
#   ./install.sh --uninstall  stops the service and removes all but configuration and the user ctpulse
set -eu

from=$(cd "$(dirname "$0")" && pwd)
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
units=$root/etc/systemd/system
# A service manager of another root is not told.
tell() {
    if [ -z "$root" ] && [ -d /run/systemd/system ]; then systemctl "$@"; fi
}

# man1 of ctpulse.1.gz
section() {
    page=${1%.gz}
    echo "man${page##*.}"
}

uninstall() {
    tell disable --now ctpulse.service || :
    rm -f "$root$prefix/bin/ctpulse" "$units/ctpulse.service" "$root/etc/sysusers.d/ctpulse.conf"
    for page in "$from"/man/*; do
        rm -f "$root$prefix/share/man/$(section "$page")/${page##*/}"
    done
    rm -f "$root$prefix/share/bash-completion/completions/ctpulse" \
        "$root$prefix/share/zsh/site-functions/_ctpulse" \
        "$root$prefix/share/fish/vendor_completions.d/ctpulse.fish"
    tell daemon-reload
    echo "ctpulse is removed; left: $root/etc/ctpulse.toml, $root/etc/default/ctpulse, $root/var/lib/ctpulse, the user ctpulse"
}

install_new() {
    install -D -m 755 "$from/ctpulse" "$root$prefix/bin/ctpulse"
    for page in "$from"/man/*; do
        install -D -m 644 "$page" "$root$prefix/share/man/$(section "$page")/${page##*/}"
    done
    install -D -m 644 "$from/completions/ctpulse.bash" "$root$prefix/share/bash-completion/completions/ctpulse"
    install -D -m 644 "$from/completions/_ctpulse" "$root$prefix/share/zsh/site-functions/_ctpulse"
    install -D -m 644 "$from/completions/ctpulse.fish" "$root$prefix/share/fish/vendor_completions.d/ctpulse.fish"
    # What was changed by hand stays.
    [ -e "$root/etc/ctpulse.toml" ] || install -D -m 644 "$from/ctpulse.toml" "$root/etc/ctpulse.toml"
    [ -e "$root/etc/default/ctpulse" ] || install -D -m 644 "$from/ctpulse.default" "$root/etc/default/ctpulse"
    install -D -m 644 "$from/ctpulse.sysusers" "$root/etc/sysusers.d/ctpulse.conf"
    mkdir -p "$units"
    sed "s|^ExecStart=/usr/bin/|ExecStart=$prefix/bin/|" "$from/ctpulse.service" > "$units/ctpulse.service"
    chmod 644 "$units/ctpulse.service"
    if [ -z "$root" ] && [ -d /run/systemd/system ]; then systemd-sysusers ctpulse.conf; fi
    tell daemon-reload
    echo "ctpulse is in $root$prefix/bin; as a service: systemctl enable --now ctpulse"
}

case "${1:-}" in
    "") install_new ;;
    --uninstall) uninstall ;;
    *)
        echo "usage: $0 [--uninstall]" >&2
        exit 2
        ;;
esac
