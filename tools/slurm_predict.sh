#!/usr/bin/env bash
#SBATCH --job-name=swimdiff-maps
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --open-mode=append
# Map a list of scenes on Slurm, every task of the array its share.
#
#   sbatch --array=0-7 [options of sbatch] tools/slurm_predict.sh change|landcover CONFIG CHECKPOINT \
#       --list scenes.csv --out maps [options of tools/predict.py]
#
# To be submitted from the checkout. Submitted again, finished scenes are skipped, and those that have failed unless
# --retry-failed is given. To do the share of one task again, name the number of shares: --array=3 ... --shard /8
#
# examples:
#   sbatch --array=0-7 tools/slurm_predict.sh change config.py epoch_100.pth --list scenes.csv --out maps
#   sbatch --array=0-7 tools/slurm_predict.sh change config.py epoch_100.pth --list scenes.csv --out maps --retry-failed
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '1d; /^#SBATCH/d; /^#/!q; s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

if [ $# -lt 3 ]; then
    echo "usage: sbatch --array=0-7 [--partition=...] $0 change|landcover CONFIG CHECKPOINT --list FILE --out DIR" >&2
    exit 2
fi
# Slurm runs a copy of this script from a folder of its own.
root=${SWIMDIFF_ROOT:-${SLURM_SUBMIT_DIR:-.}}
python=${SWIMDIFF_PYTHON:-python}
if [ -x "$root/.venv/bin/python" ] && [ -z "${SWIMDIFF_PYTHON:-}" ]; then
    python=$root/.venv/bin/python
fi
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
# A notice of Slurm (SIGTERM) ends the task with code 75 between two files; the same command goes on.
exec "$python" "$root/tools/predict.py" "$@"
