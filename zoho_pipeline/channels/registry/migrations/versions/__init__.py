"""Each module is one revision. A revision never changes after its release."""
