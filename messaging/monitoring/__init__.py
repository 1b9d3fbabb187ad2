"""What every program shows of itself: Prometheus metrics, health and readiness."""
