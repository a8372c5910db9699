# What the guest's systemd runs: each package is installed, started, asked, stopped, and removed.

url=http://127.0.0.1:9466

# Until it is so; under emulation everything takes its time.
wait_for() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        if [ $tries -ge 120 ]; then
            systemctl status --no-pager -l ctpulse.service || :
            exit 1
        fi
        sleep 1
    done
}

# The value of the first series that begins so.
value() {
    curl -sf --max-time 20 $url/metrics | grep -F -m 1 "$1" | sed 's/.* //'
}

counted() {
    curl -s -o /dev/null --max-time 1 http://127.0.0.1:1/ || :
    [ "$(value 'ctpulse_new_total{')" -gt "$1" ]
}

# Asks the service, and looks at what it may do.
ask() {
    wait_for systemctl is-active ctpulse.service
    wait_for curl -sf $url/readyz
    pid=$(systemctl show -P MainPID ctpulse.service)
    grep -E '^(Uid|Cap|NoNewPrivs|Seccomp:)' "/proc/$pid/status"
    [ "$(ps -o user= -p "$pid")" = ctpulse ]
    grep -x 'NoNewPrivs:	1' "/proc/$pid/status"
    # It has given up all that reading does not need; the capability to load programs is the first of them.
    [ $((0x$(sed -n 's/^CapEff:\t//p' "/proc/$pid/status") & (1 << 39))) -eq 0 ]
    curl -sf --max-time 5 -N $url/stream | head -n 1 | grep -o '"mode":"[a-z]*"' | grep -x '"mode":"fentry"'
    before=$(value 'ctpulse_new_total{')
    wait_for counted "$before"
    value 'ctpulse_check_verdict{'
    systemd-analyze security --no-pager ctpulse.service | tail -n 1
}

# Killed, it comes back.
restart() {
    pid=$(systemctl show -P MainPID ctpulse.service)
    kill -KILL "$pid"
    wait_for sh -c "systemctl is-active ctpulse.service && [ \$(systemctl show -P MainPID ctpulse.service) != $pid ]"
    wait_for curl -sf $url/readyz
}

gone() {
    [ ! -e /usr/bin/ctpulse ]
    [ ! -e /usr/local/bin/ctpulse ]
    [ ! -e /lib/systemd/system/ctpulse.service ]
    [ ! -e /etc/systemd/system/ctpulse.service ]
    ! curl -s $url/metrics
}

# Something must be tracked.
nft add table inet check
nft add chain inet check out '{ type filter hook output priority 0; }'
nft add rule inet check out ct state new counter

echo "== .deb"
dpkg -i /root/ctpulse.deb
systemctl is-enabled ctpulse.service
ask
restart
ctpulse doctor || :
man_pages=$(find /usr/share/man -name 'ctpulse*' | wc -l)
[ "$man_pages" -gt 10 ]
systemctl stop ctpulse.service
! systemctl is-active ctpulse.service
dpkg --purge ctpulse
[ ! -e /etc/ctpulse.toml ]
[ ! -e /etc/default/ctpulse ]
gone

echo "== .rpm"
# What it needs is here, but of another package manager.
rpm -i --nodeps /root/ctpulse.rpm
systemctl start ctpulse.service
ask
systemctl stop ctpulse.service
rpm -e ctpulse
gone

echo "== tarball"
tar -x -C /root -f /root/ctpulse.tar.gz
cd /root/ctpulse-*/
./install.sh
systemctl start ctpulse.service
ask
./install.sh --uninstall
[ -e /etc/ctpulse.toml ]
gone
