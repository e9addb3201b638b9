"""Intervals, tests and trends: worked by hand, against an oracle in exact fractions, and by simulation (`make proofs`)."""
