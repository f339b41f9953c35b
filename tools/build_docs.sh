#!/usr/bin/env bash
# Install what is missing, then build the site and check every link and anchor in it.
#
#   bash tools/build_docs.sh [FOLDER]
#
# FOLDER (site): where the site goes. `bash tools/install.sh --help` lists the variables that change the set-up.
#
# examples:
#   bash tools/build_docs.sh
#   bash tools/build_docs.sh /tmp/site
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '1d; /^#SBATCH/d; /^#/!q; s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac
source "$(dirname "${BASH_SOURCE[0]}")/install.sh"
cd "$ROOT"

export NO_MKDOCS_2_WARNING=1
step 'mkdocs build --strict'
mkdocs build --strict --quiet --site-dir "${1:-site}"
