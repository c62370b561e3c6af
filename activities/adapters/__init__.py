"""The only place that knows a vendor."""
