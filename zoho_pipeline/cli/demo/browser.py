"""The browser of the demo: it opens the consent page, chooses a user and presses Accept."""

from html.parser import HTMLParser
from threading import Thread
from urllib.parse import urlencode, urljoin
from urllib.request import ProxyHandler, build_opener


class _Form(HTMLParser):
    """The action, the hidden inputs and the choices of a consent form."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.values: dict[str, str] = {}
        self.choices: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given.get("action", "")
        elif tag == "input" and "name" in given:
            self.values[given["name"]] = given.get("value", "")
        elif tag == "option":
            self.choices.append(given.get("value", ""))


def accept(url: str, user_id: str) -> Thread:
    """Accept the consent at `url` as this user, in a separate thread, as a browser beside the command would."""
    thread = Thread(target=_accept, args=(url, user_id), daemon=True)
    thread.start()
    return thread


def _accept(url: str, user_id: str) -> None:
    opener = build_opener(ProxyHandler({}))  # the address is loopback, so no proxy may be used
    form = _Form()
    with opener.open(url, timeout=30) as page:
        form.feed(page.read().decode())
    choice = next(choice for choice in form.choices if choice.endswith(f":{user_id}"))
    body = urlencode({**form.values, "choice": choice, "decision": "accept"}).encode()
    with opener.open(urljoin(url, form.action), body, timeout=60) as connected:  # follows the redirect to our callback
        connected.read()
