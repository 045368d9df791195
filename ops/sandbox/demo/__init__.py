"""The demo: a day's commands travel through a real Kafka to a PayWizard simulator, and a verdict."""
