"""Grafana's dashboards: what they show is written here, and their JSON is made of it.

`python -m deploy.grafana` writes `helm/pairmill/dashboards/*.json`; `--check` says whether they are stale.
"""
