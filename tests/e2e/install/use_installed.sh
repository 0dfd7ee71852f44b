#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# use_installed.sh DAEMON COMMANDS: in the network namespace of the caller, starts DAEMON, blocks a
# packet with the programs of the directory COMMANDS, and sees it counted.
set -euo pipefail
daemon=$1
PATH=$2:$PATH
export XTABLES_LOCKFILE
XTABLES_LOCKFILE=$(mktemp)

coproc DAEMON_PROCESS { exec "$daemon"; }
daemon_pid=$DAEMON_PROCESS_PID
stop() {
	kill "$daemon_pid" 2>/dev/null || true
	wait "$daemon_pid" 2>/dev/null || true
	rm -f "$XTABLES_LOCKFILE"
}
trap stop EXIT

read -r -t 20 line <&"${DAEMON_PROCESS[0]}"
if [ "$line" != 'bpf-iptablesd: ready' ]; then
	echo "the daemon says: $line"
	exit 1
fi

ip link set lo up
bpf-iptables -A INPUT -p icmp -j DROP
if ping -c 1 -W 1 127.0.0.1 >/dev/null; then
	echo 'a packet passed that a rule drops'
	exit 1
fi
bpf-iptables-save -c | tee /dev/stderr | grep -q '^\[1:84\] -A INPUT -p icmp -j DROP$'
bpf-iptables-restore <<'END'
*filter
COMMIT
END
ping -c 1 -W 5 127.0.0.1 >/dev/null

bpf-ip6tables -A OUTPUT -p udp --dport 9 -j DROP
if echo one packet 2>/dev/null >/dev/udp/::1/9; then
	echo 'an IPv6 packet passed that a rule drops'
	exit 1
fi
bpf-ip6tables-save -c | tee /dev/stderr | grep -q '^\[1:59\] -A OUTPUT -p udp -m udp --dport 9 -j DROP$'
bpf-ip6tables-restore <<'END'
*filter
COMMIT
END
