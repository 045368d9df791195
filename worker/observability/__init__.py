"""What operators see: logs without personal data, metrics, health and the watchdog."""
