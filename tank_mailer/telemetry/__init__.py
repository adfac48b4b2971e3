"""Tell: logs and metrics."""
