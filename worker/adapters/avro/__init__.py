"""Turns the bytes of Kafka records into fields and back, by the schemas in `schemas/`."""
