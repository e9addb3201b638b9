"""Form keys in memory: with a look-up for each submission, a form would wait for every commit on SQLite."""

import time

from zoho_pipeline.channels.database.remembered import Remembered
from zoho_pipeline.channels.forms.form_keys import FormKeys, OpenForm
from zoho_pipeline.channels.registry.registry import Registry


class KnownKeys:
    """Looks up form keys, and remembers those that exist. Thread-safe."""

    def __init__(self, registry: Registry) -> None:
        self._keys = FormKeys(registry)
        self._known: Remembered[str, OpenForm] = Remembered()

    def remembered(self, form_key: str) -> OpenForm | None:
        """The key if it was looked up a moment ago. It waits for nothing."""
        return self._known.get(form_key)

    def look_up(self, form_key: str) -> OpenForm | None:
        """The key as the registry has it; None: there is none.

        Raises:
            RegistryError. DecryptionError: no key decrypts a secret of the form.
        """
        read_at = time.monotonic()
        return self._known.keep(form_key, self._keys.open(form_key), read_at)

    def forget(self, gone: OpenForm) -> None:
        """Look this key up again when it comes the next time."""
        self._known.forget(gone)
