"""The Kafka side: two threads around the pinned client, and the tools of the command line."""
