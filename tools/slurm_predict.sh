#!/usr/bin/env bash
#SBATCH --job-name=swimdiff-maps
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --open-mode=append
#
# Map a list of scenes on Slurm, every task of the array its share. From the checkout, options of sbatch first:
#   sbatch --array=0-7 --partition=PART --gpus-per-task=1 tools/slurm_predict.sh change CONFIG CHECKPOINT \
#       --list scenes.csv --out maps [options of tools/predict.py]
# Submitted again, finished scenes are skipped; so are those that have failed, but with --retry-failed. To do the
# share of one task again, name the number of shares: --array=3 ... --shard /8
set -euo pipefail

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
