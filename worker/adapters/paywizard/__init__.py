"""The gateway: our client of the PayWizard API, on httpx over aiohttp."""
