"""The built-in monitor: from scrapes to SLIs, error budgets and alerts, as Prometheus computes them.

Every recording and alerting rule is one declaration (`expressions`, `rules`) that renders as PromQL and evaluates natively.
"""
