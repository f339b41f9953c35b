#!/usr/bin/env bash
# From a fresh clone to a pre-trained backbone and a picture of what it learned: installs what is missing, then
# runs tools/quickstart.py with the arguments given. tools/install.sh lists the variables that change the set-up.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/install.sh"
exec "$VENV/bin/python" -m swimdiff quickstart "$@"
