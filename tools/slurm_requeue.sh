#!/usr/bin/env bash
#SBATCH --job-name=swimdiff
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@180
# Train on Slurm for longer than a job may take: three minutes before the end the state is saved and the job put
# back into the queue, where it goes on.
#
#   sbatch [options of sbatch] tools/slurm_requeue.sh CONFIG WORK_DIR [options of tools/train.py]
#
# To be submitted from the checkout. One torchrun per node; processes that die are started again within the job
# (tools/dist_train.sh and its variables).
#
# examples:
#   sbatch --partition=PARTITION tools/slurm_requeue.sh configs/swimdiff_r50_seco.py work_dirs/seco
#   sbatch --nodes=2 --partition=PARTITION tools/slurm_requeue.sh configs/swimdiff_r50_seco.py work_dirs/seco
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '1d; /^#SBATCH/d; /^#/!q; s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

if [ $# -lt 2 ]; then
    echo "usage: sbatch [--nodes=1 --partition=...] $0 CONFIG WORK_DIR [options]" >&2
    exit 2
fi
config=$1
work_dir=$2
shift 2
# Slurm runs a copy of this script from a folder of its own.
root=${SWIMDIFF_ROOT:-${SLURM_SUBMIT_DIR:-.}}
export NNODES=${SLURM_JOB_NUM_NODES:-1}
export PORT=${PORT:-$((20000 + SLURM_JOB_ID % 20000))}
hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
export MASTER_ADDR=${MASTER_ADDR:-${hosts%%$'\n'*}}
processes=${GPUS_PER_NODE:-${SLURM_GPUS_ON_NODE:-8}}

# shellcheck disable=SC2016  # NODE_RANK is known on the node only
srun --kill-on-bad-exit=0 bash -c 'NODE_RANK=$SLURM_NODEID exec bash "$@"' -- \
    "$root/tools/dist_train.sh" "$config" "$processes" --work-dir "$work_dir" --resume auto "$@" &
steps=$!

ending=0
pass_on() {
    [ "$1" = USR1 ] && ending=1
    kill -"$1" "$steps" 2> /dev/null || true # srun hands it to all its tasks
}
trap 'pass_on USR1' USR1
trap 'pass_on TERM' TERM

code=0
wait "$steps" || code=$?
while kill -0 "$steps" 2> /dev/null; do # a trap interrupts the waiting
    code=0
    wait "$steps" || code=$?
done
# 75: the state is saved; above 128: the end came before the first step. An error (1) is not tried again.
if [ "$ending" = 1 ] && { [ "$code" = 75 ] || [ "$code" -gt 128 ]; }; then
    echo "time is up, exit code $code: back into the queue"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
