"""Form keys in memory: with a look-up for each submission, a form would wait for every commit on SQLite."""

import time
from threading import Lock

from zoho_pipeline.channels.forms.form_keys import FormKeys, OpenForm
from zoho_pipeline.channels.registry.registry import Registry

REMEMBERED_SECONDS = 60.0
"""How long a known key is not looked up again. The transaction that stores a submission asks again whether its key
exists, so nothing is stored for a key that was removed meanwhile."""

MOST_REMEMBERED = 10_000


class KnownKeys:
    """Looks up form keys, and remembers those that exist. Thread-safe."""

    def __init__(self, registry: Registry, seconds: float = REMEMBERED_SECONDS) -> None:
        self._keys, self._seconds = FormKeys(registry), seconds
        self._guard = Lock()
        self._known: dict[str, tuple[float, OpenForm]] = {}

    def remembered(self, form_key: str) -> OpenForm | None:
        """The key if it was looked up a moment ago. It waits for nothing."""
        kept = self._known.get(form_key)
        return kept[1] if kept is not None and time.monotonic() - kept[0] < self._seconds else None

    def look_up(self, form_key: str) -> OpenForm | None:
        """The key as the registry has it; None: there is none.

        Raises:
            RegistryError. DecryptionError: no key decrypts a secret of the form.
        """
        read_at = time.monotonic()
        found = self._keys.open(form_key)
        with self._guard:
            if found is None:
                self._known.pop(form_key, None)
            elif len(self._known) < MOST_REMEMBERED:
                self._known[form_key] = (read_at, found)
            else:
                self._known = {form_key: (read_at, found)}
        return found

    def forget(self, form_key: str) -> None:
        """Look this key up again when it comes the next time."""
        with self._guard:
            self._known.pop(form_key, None)
