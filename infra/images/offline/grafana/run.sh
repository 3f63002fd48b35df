#!/bin/sh
# Where grafana/grafana has its own: options of grafana's server are accepted and change nothing.
export PYTHONPATH="$GF_PATHS_HOME"
exec python3 -m grafana_stand_in
