#!/usr/bin/env bash
# Two hosts on one machine: two network namespaces joined by a virtual cable. A run over both, in which one
# process of the second host is killed (SIGKILL) after the first checkpoint, has to recover and end by itself.
# Needs root (CAP_SYS_ADMIN) and the `ip` command.
#   PYTHON=.venv/bin/python bash tests/tools/two_hosts.sh LOG_DIR CONFIG PROCESSES_PER_HOST [options of tools/train.py]
# Exits with 77 where namespaces are not permitted. Logs: LOG_DIR/host0.log, LOG_DIR/host1.log.
set -euo pipefail

logs=$1
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tag=sd$$
near=${tag}a far=${tag}b

cleanup() {
    ip netns del "$near" 2> /dev/null || true
    ip netns del "$far" 2> /dev/null || true
}
trap cleanup EXIT
if ! { ip netns add "$near" && ip netns add "$far" \
    && ip link add eth0 netns "$near" type veth peer name eth0 netns "$far"; } 2> "$logs/ip.log"; then
    echo "no network namespaces here: $(cat "$logs/ip.log")" >&2
    exit 77
fi
number=0
for host in "$near" "$far"; do
    number=$((number + 1))
    ip -n "$host" addr add "10.77.0.$number/24" dev eth0
    ip -n "$host" link set eth0 up
    ip -n "$host" link set lo up
done

start() { # node number, namespace, options
    local rank=$1 host=$2
    shift 2
    NNODES=2 NODE_RANK=$rank MASTER_ADDR=10.77.0.1 PORT=29500 GLOO_SOCKET_IFNAME=eth0 \
        ip netns exec "$host" bash "$here/tools/dist_train.sh" "$@" > "$logs/host$rank.log" 2>&1 &
}
start 0 "$near" "$@"
first=$!
start 1 "$far" "$@"
second=$!

# The rank-0 process, which writes the log, may be on either host.
until grep -qs 'Saving checkpoint' "$logs"/host?.log; do
    kill -0 $first && kill -0 $second || { cat "$logs"/host?.log; exit 1; }
    sleep 0.2
done
# Wide: a terminal of 80 columns would cut the command off.
victim=$(ps -ww -o pid=,args= --ppid $second | awk '/train\.py/ {pid = $1} END {print pid}')
[ -n "$victim" ] || { echo "no process of the second host is there to be killed" >&2; cat "$logs"/host?.log; exit 1; }
kill -KILL "$victim"
echo "killed process $victim of host 1"

code=0
wait $first || code=$?
wait $second || code=$?
grep -h -E 'Restarted|resumed epoch|exitcode' "$logs"/host?.log || true
exit $code
