"""The kit's stand-in for Grafana: its provisioning, its HTTP API and its failures, where the real one cannot be had.

It reads real provisioning files and dashboards and answers as Grafana 11 to 13 would, so that what is right here is
right there. It is no Grafana: no editor, no plugins, no alerting, and it says so wherever it speaks. What is stated of
Grafana is cited from its sources (paths that begin with ``pkg/`` or ``packaging/`` are of the repository
grafana/grafana) or from its manual.

Of what people deploy it lacks: sessions and tokens (basic authentication only), organisations besides the first,
alerting and its files, expressions, dashboards as resources, and datasources other than Prometheus and PostgreSQL,
which answer 501.
"""

VERSION = "13.2.3"  # whose behaviour this is
COMMIT = "stand-in"
HEADER = ("X-Stand-In", "Grafana")
