#!/usr/bin/env bash
# Install what is missing, pre-train a small backbone on a real Sentinel-2 scene, draw what it learned, map land cover.
#
#   bash tools/quickstart.sh [--out FOLDER] [--iters N] [--no-map]
#
# --out FOLDER (quickstart): where data, runs, picture and map go. --iters N: fewer iterations, only to see it run.
# --no-map: leave the land-cover map out. May be stopped at any moment by Ctrl-C; the same command goes on.
# `bash tools/install.sh --help` lists the variables that change the set-up.
#
# examples:
#   bash tools/quickstart.sh
#   bash tools/quickstart.sh --out work_dirs/quickstart --iters 20 --no-map
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '1d; /^#SBATCH/d; /^#/!q; s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac
source "$(dirname "${BASH_SOURCE[0]}")/install.sh"
exec "$VENV/bin/python" -m swimdiff quickstart "$@"
