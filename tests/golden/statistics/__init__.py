"""Intervals, tests and trends: worked by hand, against exact fractions, and by simulation (`make proofs`)."""
