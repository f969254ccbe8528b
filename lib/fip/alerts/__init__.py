"""Alerts: what is reported about events, to whom, in which form. Each alert is sent until it has arrived."""
