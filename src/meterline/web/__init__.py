"""Dashboards: server-rendered pages, live by server-sent events."""
