"""Grafana's HTTP API, as far as dashboards, datasources and their queries go."""
