#!/usr/bin/env bash
# Like the prefecthq/prefect image: EXTRA_PIP_PACKAGES are installed or nothing starts, then the command runs.
set -e
if [ -n "${EXTRA_PIP_PACKAGES-}" ]; then
    echo "+pip install $EXTRA_PIP_PACKAGES"
    # shellcheck disable=SC2086  # a list of packages
    pip install --no-cache-dir $EXTRA_PIP_PACKAGES
fi
if [ $# -eq 0 ]; then
    exec bash --login
fi
exec "$@"
