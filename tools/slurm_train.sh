#!/usr/bin/env bash
# Train on a Slurm cluster, one task per GPU.
#
#   [GPUS=8 GPUS_PER_NODE=8 CPUS_PER_TASK=8 SRUN_ARGS=...] bash tools/slurm_train.sh PARTITION JOB CONFIG WORK_DIR [options]
#
# Tasks that are left 300 s after the first one has ended are killed: time to write what is to be kept.
#
# examples:
#   bash tools/slurm_train.sh PARTITION seco configs/swimdiff_r50_seco.py work_dirs/seco
#   GPUS=16 GPUS_PER_NODE=8 bash tools/slurm_train.sh PARTITION seco configs/swimdiff_r50_seco.py work_dirs/seco --resume
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '1d; /^#SBATCH/d; /^#/!q; s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

if [ $# -lt 4 ]; then
    echo "usage: [GPUS=8 GPUS_PER_NODE=8 CPUS_PER_TASK=8] $0 PARTITION JOB CONFIG WORK_DIR [options]" >&2
    exit 2
fi
partition=$1
job=$2
config=$3
work_dir=$4
shift 4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-8}
[ "$gpus" -lt "$gpus_per_node" ] && gpus_per_node=$gpus

export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
# shellcheck disable=SC2086  # SRUN_ARGS holds several words
exec srun --partition="$partition" --job-name="$job" \
    --gres="gpu:$gpus_per_node" --ntasks="$gpus" --ntasks-per-node="$gpus_per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-8}" --kill-on-bad-exit=0 --wait=300 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$here/tools/train.py" "$config" --work-dir "$work_dir" --launcher slurm "$@"
