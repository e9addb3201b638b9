"""What a database stores of a text."""


def can_be_stored(text: str) -> bool:
    """False for NUL, which Postgres refuses, and for half of a surrogate pair, which is no UTF-8."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
