#!/usr/bin/env bash
# Install what is missing, then check formatting, lint, types, the site and behaviour.
#
#   bash tools/run_tests.sh [options of pytest]
#
# With arguments, only pytest runs and gets them. `bash tools/install.sh --help` lists the variables that change the set-up.
#
# examples:
#   bash tools/run_tests.sh
#   bash tools/run_tests.sh tests/test_packaging.py -k wheel
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '1d; /^#SBATCH/d; /^#/!q; s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac
source "$(dirname "${BASH_SOURCE[0]}")/install.sh"
cd "$ROOT"

if [ "$#" -gt 0 ]; then
    exec "$VENV/bin/python" -m pytest "$@"
fi

# Each test process computes on one thread: several of them share the cores.
export OMP_NUM_THREADS=1
# mypy reads all of torch the first time; a clone that shares the environment also shares what it learned.
export MYPY_CACHE_DIR="$VENV/.mypy_cache"

step 'ruff format'
ruff format --check .
step 'ruff check'
ruff check .
step 'mypy'
mypy
step 'mkdocs build --strict'
NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet --site-dir "$VENV/.swimdiff-site"
step 'pytest'
workers="$("$VENV/bin/python" -c 'import os; print(min(4, os.cpu_count() or 1))')"
# The costly tests, which start training processes, sit in a few files: an idle worker takes over some.
python -m pytest -n "$workers" --dist worksteal
