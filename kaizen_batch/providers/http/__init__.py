"""HTTP clients for OpenAI-compatible endpoints."""
