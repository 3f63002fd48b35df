"""Grafana's provisioning from files: datasources and dashboards."""
