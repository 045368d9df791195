"""Executes commands from Kafka against PayWizard, at most once per order number."""
