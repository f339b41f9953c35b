#!/usr/bin/env bash
# Installs what is missing, then builds the site into site/ (or the folder given) and checks every link and anchor in it.
# tools/install.sh lists the variables that change the set-up.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/install.sh"
cd "$ROOT"

export NO_MKDOCS_2_WARNING=1
step 'mkdocs build --strict'
mkdocs build --strict --quiet --site-dir "${1:-site}"
