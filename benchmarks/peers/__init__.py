"""The same messages through other ways to do the same: what Contrail's engine, checkpoints and truth cost, and what they buy."""
