#!/usr/bin/env bash
# Train on several processes, on one node or several, and start them again when one dies.
#
#   bash tools/dist_train.sh CONFIG PROCESSES_PER_NODE [options of tools/train.py]
#
# Of several nodes each runs the same command, with the same MASTER_ADDR, PORT and work dir (on a shared disk).
#
# NNODES (1), NODE_RANK (0), MASTER_ADDR, PORT: who joins whom; MASTER_ADDR is the node of rank 0
# MAX_RESTARTS (3): restarts of the group, each from the newest checkpoint of this launch
# JOIN_TIMEOUT (600): seconds to wait for all nodes, also for one that comes back
# STOP_TIMEOUT (300): seconds for saving after SIGTERM or SIGUSR1, before the processes are killed (with torch
#     before 2.12 it is torch's own, 30)
# LOCAL_ADDR, GLOO_SOCKET_IFNAME, NCCL_SOCKET_IFNAME: address and interface to use, where a node has several
#
# Exit codes: 0 finished; 75 stopped by a signal with the state saved; 1 an error; 128+n killed.
#
# examples:
#   bash tools/dist_train.sh configs/swimdiff_r50_seco.py 8 --resume
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 PORT=29500 bash tools/dist_train.sh configs/swimdiff_r50_seco.py 8
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '1d; /^#SBATCH/d; /^#/!q; s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

if [ $# -lt 2 ]; then
    echo "usage: [NNODES=1 NODE_RANK=0 MASTER_ADDR=127.0.0.1 PORT=29500 MAX_RESTARTS=3] $0 CONFIG PROCESSES [options]" >&2
    exit 2
fi
config=$1
processes=$2
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
nodes=${NNODES:-1}
is_host=0
[ "${NODE_RANK:-0}" -eq 0 ] && is_host=1
# Alone on its node a run takes any free port: two runs on a machine do not meet.
port=${PORT:-29500}
[ "$nodes" = 1 ] && port=${PORT:-0}

export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" -m swimdiff.launch.elastic \
    --nnodes "$nodes" \
    --nproc-per-node "$processes" \
    --rdzv-backend c10d \
    --rdzv-endpoint "${MASTER_ADDR:-127.0.0.1}:$port" \
    --rdzv-id "${RDZV_ID:-swimdiff}" \
    --rdzv-conf "is_host=$is_host,join_timeout=${JOIN_TIMEOUT:-600}" \
    ${LOCAL_ADDR:+--local-addr "$LOCAL_ADDR"} \
    --max-restarts "${MAX_RESTARTS:-3}" \
    --shutdown-timeout "${STOP_TIMEOUT:-300}" \
    --signals-to-handle SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1 \
    "$here/tools/train.py" "$config" --launcher pytorch "$@"
