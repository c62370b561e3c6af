"""The scripted model provider: speaks the Anthropic Messages API without a model behind it.

It stands in when no API key is set and in tests, on loopback only, and every answer carries `x-windlass-standin: 1`.
"""
