"""The limits of what one call of an agent may ask, take and get."""

ROWS = 100
"""The most rows of a list."""

CHARACTERS = 32_000
"""The most characters of an answer."""

SECONDS = 5.0
"""From the call to its answer."""

PER_MINUTE = 60
"""The calls of one caller about one channel in one minute."""

BRIEF_CHARACTERS = 4_000
TEXT_CHARACTERS = 200
"""The most characters of a text that a tenant wrote."""

GROUP = 3
"""The smallest group of leads about which more is said than its number."""

WORKERS = 8
"""The calls that one process answers at the same time; others wait."""

WORKERS_PER_TENANT = 4
"""How many of them may be of one tenant: slow calls of one tenant must not hold up another one."""
