#!/usr/bin/env bash
# Make the environment that tools/quickstart.sh and tools/run_tests.sh use.
#
#   bash tools/install.sh
#
# Run again, it takes a second, and goes on where it was interrupted. It asks nothing. Variables:
#
#   SWIMDIFF_VENV         folder of the environment (default: .venv in the checkout)
#   SWIMDIFF_PYTHON       the Python to make it with, 3.10 to 3.12 (default: the first that fits)
#   SWIMDIFF_TORCH_INDEX  package index for torch and torchvision only, for example one with CPU builds
#   SWIMDIFF_APT          "no" leaves the system's packages alone
#   SWIMDIFF_VERSIONS     "tested" together (default), the "lowest" that the requirements allow, or the "newest"
#
# examples:
#   bash tools/install.sh
#   SWIMDIFF_PYTHON=python3.12 SWIMDIFF_VENV=~/swimdiff-venv bash tools/install.sh
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '1d; /^#SBATCH/d; /^#/!q; s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

# For scripts that source this file: ROOT is the checkout, VENV the environment; PATH and PYTHONPATH put both first, so
# that an environment shared by several clones runs the code of the clone at hand.
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
VENV="${SWIMDIFF_VENV:-$ROOT/.venv}"
case "$VENV" in /*) ;; *) VENV="$PWD/$VENV" ;; esac
PYTHON="$VENV/bin/python"
CONSTRAINTS="$ROOT/requirements/constraints.txt"
STEP=0

say() { printf '%s\n' "$*"; }
step() { STEP=$((STEP + 1)); printf '[%d, %d s] %s\n' "$STEP" "$SECONDS" "$*"; }
die() { printf 'install: %s\n' "$*" >&2; exit 1; }

# Ctrl-C has ended the command at hand by now: neither its output nor its failure is news.
interrupted() {
    trap '' INT
    if [ -n "${beat:-}" ]; then kill "$beat" 2>/dev/null || true; fi
    printf '\ninstall: stopped by Ctrl-C. Run the same command again to go on from here.\n' >&2
    exit 130
}

# run COMMAND...: silent while it goes well, but for a sign of life; all its output when it fails.
run() {
    local log="$VENV/.swimdiff-log" beat status=0
    (
        exec 9>&-
        # $$ is the script: should it be killed, this ends too.
        while sleep 30 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do printf '    ... %d s\n' "$SECONDS"; done
    ) &
    beat=$!
    "$@" >"$log" 2>&1 </dev/null || status=$?
    { kill "$beat" && wait "$beat"; } 2>/dev/null || true
    if [ "$status" -ne 0 ]; then cat "$log" >&2; fi
    return "$status"
}

pip_install() { run env -u PYTHONPATH "$PYTHON" -m pip install --quiet --no-input -c "$CONSTRAINTS" "$@"; }
must_install() { pip_install "$@" || die "pip could not install this (its output is above). Run the same command again to go on from here."; }

# ---------------------------------------------------------------- Python

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null </dev/null || true; }
fits() { case "$1" in 3.10 | 3.11 | 3.12) return 0 ;; *) return 1 ;; esac; }

# Sets BASE to a Python that fits. Names found on PATH are tried, as a stand-in may exist and not run.
pick_python() {
    local candidate version seen=''
    if [ -n "${SWIMDIFF_PYTHON:-}" ]; then
        version="$(version_of "$SWIMDIFF_PYTHON")"
        fits "$version" || die "SWIMDIFF_PYTHON=$SWIMDIFF_PYTHON is Python ${version:-(does not run)}; 3.10, 3.11 or 3.12 is needed."
        BASE="$SWIMDIFF_PYTHON"
        return
    fi
    for candidate in python3 python3.11 python3.12 python3.10 python /usr/bin/python3; do
        # An activated environment that is broken cannot be made again from itself.
        case "$(command -v "$candidate")" in "$VENV"/*) continue ;; esac
        version="$(version_of "$candidate")"
        if fits "$version"; then BASE="$candidate"; return; fi
        if [ -n "$version" ]; then seen="$seen $candidate is $version;"; fi
    done
    die "no Python 3.10, 3.11 or 3.12 on PATH (found:${seen:- none}). Install one, or name it: SWIMDIFF_PYTHON=/path/to/python3.11"
}

# ---------------------------------------------------------------- system packages

loads() { "$BASE" -c 'import ctypes, sys; [ctypes.CDLL(name) for name in sys.argv[1:]]' "$@" >/dev/null 2>&1; }
has_header() { "$BASE" -c 'import os, sys, sysconfig; sys.exit(not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")))'; }
# The binding's part for NumPy may be absent; one that was compiled for another NumPy breaks on its first use.
has_gdal() { [ -x "$PYTHON" ] && "$PYTHON" -c '
import importlib.util as util
from osgeo import gdal
if util.find_spec("numpy") and util.find_spec("osgeo._gdal_array"):
    from osgeo import gdal_array' >/dev/null 2>&1; }
numpy_headers() { "$PYTHON" -c 'import numpy; print(numpy.get_include())' 2>/dev/null || true; }

# Sets NEEDED (nothing works without) and WANTED (rasters only) to the apt packages that are missing.
look_for_missing() {
    NEEDED='' WANTED=''
    local version
    version="$(version_of "$BASE")"
    "$BASE" -c 'import ensurepip, venv' 2>/dev/null || NEEDED="$NEEDED python$version-venv"
    if [ "$(uname -s)" = Linux ]; then
        loads libGL.so.1 || NEEDED="$NEEDED libgl1"
        loads libglib-2.0.so.0 libgthread-2.0.so.0 || NEEDED="$NEEDED libglib2.0-0"
    fi
    has_gdal && return
    command -v gdal-config >/dev/null || WANTED="$WANTED libgdal-dev"
    command -v g++ >/dev/null || command -v clang++ >/dev/null || WANTED="$WANTED g++"
    has_header || WANTED="$WANTED python$version-dev"
    # With the library its programs: messages about rasters name gdal_translate, gdalwarp and ogr2ogr.
    [ -z "$WANTED" ] || command -v gdal_translate >/dev/null || WANTED="$WANTED gdal-bin"
}

apt_install() {
    local sudo=''
    [ "${SWIMDIFF_APT:-yes}" != no ] && command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || return 1
        sudo='sudo -n'
    fi
    step "apt: installing $*"
    # A stale list of packages is better than none: only the second command decides.
    run $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 update -qq || true
    run $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@"
}

how_to_get() {
    say "Missing on this machine:$*. Install them with one of these lines, then run this command again:"
    say "  apt:    sudo apt-get update && sudo apt-get install -y$*"
    say "  conda:  conda install -y -c conda-forge python=3.11 libgdal cxx-compiler libgl glib"
    say "  brew:   brew install gdal python@3.11"
}

system_packages() {
    look_for_missing
    [ -n "$NEEDED$WANTED" ] || return 0
    # The lists are split into words on purpose.
    apt_install $NEEDED $WANTED && look_for_missing
    if [ -n "$NEEDED" ]; then
        how_to_get "$NEEDED$WANTED" >&2
        exit 1
    fi
    if [ -n "$WANTED" ]; then
        how_to_get "$WANTED" >&2
        say 'WARNING: going on without GDAL. Whatever opens a raster (GeoTIFF, JPEG 2000) will stop and say so.' >&2
    fi
}

# ---------------------------------------------------------------- the environment

# The mark is put in by make_venv alone. The lock lies in any environment that was ever used, so it says nothing.
is_ours() { [ -e "$VENV/.swimdiff-made" ]; }
is_empty() { [ -z "$(ls -A "$VENV" | grep -vxF -e .swimdiff-lock -e .swimdiff-log)" ]; }
is_whole() { fits "$(version_of "$PYTHON")" && "$PYTHON" -c 'import pip' 2>/dev/null; }

refuse_folder() { die "$VENV is neither empty nor an environment that works. Remove it, or name another folder with SWIMDIFF_VENV."; }

# Only a folder that this script made is ever emptied.
make_venv() {
    local version
    is_whole && return
    is_ours || is_empty || refuse_folder
    : >"$VENV/.swimdiff-made"
    version="$("$BASE" -c 'import platform; print(platform.python_version())')"
    step "making the environment $VENV with Python $version"
    find "$VENV" -mindepth 1 -maxdepth 1 ! -name .swimdiff-lock ! -name .swimdiff-made -exec rm -rf {} +
    run "$BASE" -m venv "$VENV" || die "could not make the environment (the output is above)."
}

# An environment of another Python than the one asked for is the user's to remove.
honour_python() {
    [ -n "${SWIMDIFF_PYTHON:-}" ] && is_whole || return 0
    local wanted there
    wanted="$(version_of "$SWIMDIFF_PYTHON")" there="$(version_of "$PYTHON")"
    if fits "$wanted" && [ "$wanted" != "$there" ]; then
        die "$VENV has Python $there, SWIMDIFF_PYTHON is $wanted. Remove that folder or name another with SWIMDIFF_VENV."
    fi
}

# Several runs may share one environment (CI, two terminals): they take turns.
take_turn() {
    if [ ! -e "$VENV" ]; then mkdir -p "$VENV"; fi
    is_empty || is_ours || is_whole || refuse_folder
    exec 9>>"$VENV/.swimdiff-lock"
    if command -v flock >/dev/null && ! flock -n 9; then
        step "another run is installing into $VENV: waiting for it"
        flock 9
    fi
}

sha() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16; }
gdal_version() { gdal-config --version 2>/dev/null || echo none; }

# What the environment was made from and how (this script); a change in any of it leads through the steps again.
# A change of mere words in the requirements does not.
environment_key() {
    say "$(grep -hv '^#' "$ROOT"/requirements/*.txt "$ROOT/tools/install.sh" | sha) python $(version_of "$PYTHON") gdal $(gdal_version) index ${SWIMDIFF_TORCH_INDEX:-default}${SWIMDIFF_VERSIONS:+ versions $SWIMDIFF_VERSIONS}"
}
checkout_key() { say "$ROOT $(cat "$ROOT/setup.cfg" "$ROOT/swimdiff/version.py" | sha)"; }
stamped() { [ -f "$VENV/$1" ] && [ "$(cat "$VENV/$1")" = "$2" ]; }

# Writes the constraints that SWIMDIFF_VERSIONS asks for: each lower bound as the version, or no bound at all.
choose_versions() {
    case "${SWIMDIFF_VERSIONS:-tested}" in
        tested) return ;;
        lowest) sed -nE 's/^([A-Za-z0-9._-]+)(\[[a-z,]+\])?>=([0-9.]+).*/\1==\3/p' "$ROOT"/requirements/*.txt | grep -v '^gdal==' >"$VENV/.swimdiff-constraints" ;;
        newest) : >"$VENV/.swimdiff-constraints" ;;
        *) die "SWIMDIFF_VERSIONS is '$SWIMDIFF_VERSIONS'; expected tested, lowest or newest" ;;
    esac
    # Older bindings of GDAL and the forks of the engine cannot be built with later ones.
    say 'setuptools<81' >>"$VENV/.swimdiff-constraints"
    CONSTRAINTS="$VENV/.swimdiff-constraints"
}

install_torch() {
    step 'torch and torchvision (up to 3 GB, minutes)'
    if [ -n "${SWIMDIFF_TORCH_INDEX:-}" ]; then
        # That index need not have the exact versions of everything else: the next step fetches those.
        must_install --no-deps --index-url "$SWIMDIFF_TORCH_INDEX" torch torchvision
    else
        must_install torch torchvision
    fi
}

install_gdal() {
    local version
    version="$(gdal_version)"
    if [ "$version" = none ] || { has_gdal && [ "$("$PYTHON" -c 'from osgeo import gdal; print(gdal.__version__)')" = "$version" ]; }; then
        return
    fi
    step "GDAL's binding, compiled for libgdal $version"
    # Beside the NumPy at hand it also gets gdal_array; without, everything that this toolkit calls. The headers of
    # that NumPy come first: with Debian's own (QGIS brings it) those of an older one lie in Python's include folder.
    local again=(--no-cache-dir --force-reinstall --no-deps "gdal==$version")
    CPPFLAGS="-I$(numpy_headers) ${CPPFLAGS:-}" pip_install --no-build-isolation "${again[@]}" && has_gdal && return
    say '    once more, in isolation'
    pip_install "${again[@]}" && has_gdal && return
    say "WARNING: going on without GDAL, its binding $version did not compile (see above)." >&2
}

install_all() {
    pick_python
    system_packages
    make_venv
    choose_versions
    step 'pip and what builds packages'
    must_install pip setuptools wheel
    install_torch
    step 'OpenMMLab engine and the rest'
    # Built in isolation, as is pip's way: where torch is at hand the mmcv fork compiles operators for an hour.
    local name files=()
    for name in runtime optional maps export docs tests; do files+=(-r "$ROOT/requirements/$name.txt"); done
    must_install "${files[@]}"
    must_install --no-deps -r "$ROOT/requirements/sample_scene.txt"
    install_gdal
}

install_checkout() {
    step "this checkout, $ROOT"
    must_install --no-deps --no-build-isolation -e "$ROOT"
}

prepare() {
    take_turn
    honour_python
    local key
    key="$(environment_key)"
    if ! is_whole || ! stamped .swimdiff-environment "$key"; then
        say "Setting up $VENV (once; a few minutes, mostly download)"
        install_all
        install_checkout
        step 'does it fit together? (python -m swimdiff.doctor)'
        run "$PYTHON" -m swimdiff.doctor || die "the environment does not work; repair it with the lines above, or remove $VENV and run again."
        checkout_key >"$VENV/.swimdiff-checkout"
        environment_key >"$VENV/.swimdiff-environment"
        step 'ready'
    elif ! stamped .swimdiff-checkout "$(checkout_key)"; then
        install_checkout
        checkout_key >"$VENV/.swimdiff-checkout"
    else
        say "Environment $VENV is ready"
    fi
    exec 9>&-
}

trap interrupted INT
prepare
trap - INT
export PATH="$VENV/bin:$PATH"
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"
