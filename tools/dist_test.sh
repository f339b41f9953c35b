#!/usr/bin/env bash
# Test a checkpoint on several processes, on one node or several; every sample is scored once.
#
#   bash tools/dist_test.sh CONFIG CHECKPOINT PROCESSES_PER_NODE [options of tools/test.py]
#
# NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (29500): of several nodes, as of tools/dist_train.sh.
#
# examples:
#   bash tools/dist_test.sh linear_r50_eurosat-rgb.py work_dirs/run/epoch_100.pth 4
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 bash tools/dist_test.sh linear_r50_eurosat-rgb.py run/epoch_100.pth 8
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '1d; /^#SBATCH/d; /^#/!q; s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

if [ $# -lt 3 ]; then
    echo "usage: [NNODES=1 NODE_RANK=0 MASTER_ADDR=127.0.0.1 PORT=29500] $0 CONFIG CHECKPOINT PROCESSES [options]" >&2
    exit 2
fi
config=$1
checkpoint=$2
processes=$3
shift 3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes "${NNODES:-1}" \
    --node_rank "${NODE_RANK:-0}" \
    --master_addr "${MASTER_ADDR:-127.0.0.1}" \
    --master_port "${PORT:-29500}" \
    --nproc_per_node "$processes" \
    "$here/tools/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
