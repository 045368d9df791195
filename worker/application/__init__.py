"""The use cases, in asyncio over ports: process a command, refresh a balance, keep the order."""
