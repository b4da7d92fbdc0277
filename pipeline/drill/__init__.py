"""Faults on purpose: each is done to real processes on a lake of its own, and afterwards the tables have to be what they should be.

The measure is always the same: Silver, Gold and quarantine equal a computation in plain Python (`oracle`), and `contrail audit`
finds every row accounted for.
"""
