"""Time limits, slots, and the bridge from synchronous code: what every layer may use."""
