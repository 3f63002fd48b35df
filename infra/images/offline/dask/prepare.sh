#!/usr/bin/env bash
# Like the daskdev/dask image: EXTRA_PIP_PACKAGES are installed, then the command runs.
set -x
if [ -n "${EXTRA_PIP_PACKAGES-}" ]; then
    # shellcheck disable=SC2086  # a list of packages
    pip install --no-cache-dir $EXTRA_PIP_PACKAGES
fi
exec "$@"
