"""Pure rules: money, commands, states, replies and outcomes; no clock, no randomness, no I/O."""
