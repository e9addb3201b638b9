"""`forms forget`: delete what a person sent by forms, found by the hash of an address."""

from dataclasses import dataclass

from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.channels.errors import ChannelError, UnknownChannel
from zoho_pipeline.channels.forms import person_keys, salts, submissions
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.forms.read_submission import is_email
from zoho_pipeline.ingest.catalog.tables import FORM_SUBMISSIONS
from zoho_pipeline.ingest.forms.load_forms import LOCK_KIND, delete_submissions
from zoho_pipeline.settings import Secret
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection
from zoho_pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Forgotten:
    """How many submissions of a person were deleted. `loaded`: those that the warehouse held."""

    submissions: int
    loaded: int


def forget(registry: Registry, warehouse: Warehouse, channel_id: str, *, email: str = "", phone: str = "") -> Forgotten:
    """Delete the submissions of a channel that have this e-mail address or this phone number.

    Only the hashes of their ids stay, as long as submissions without a lead do: a client that sends one of them again
    is refused. The keys of leads stay, because the lead is Zoho's: delete it there, and the next sync deletes its keys.
    The files of DuckDB are written anew, so that no byte of the rows is left. A removed channel whose rows stayed is
    searched too.

    Raises:
        UnknownChannel. ChannelError: the number is too short to be found, or the text is no address.
        ChannelBusy: another process loads submissions of the channel; nothing was deleted.
        WarehouseError: the warehouse cannot be used. Call it again.
    """
    salt = salts.salt_of(registry, channel_id)
    tenant = _tenant(registry, channel_id, salt)
    if salt is None:  # it never had a form key
        return Forgotten(0, 0)
    keys = _keys(salt, email, phone)
    with channel_lock(registry.settings, channel_id, kind=LOCK_KIND):
        with warehouse.connect() as connection:
            loaded = _loaded(connection, channel_id, keys)
        with registry.database.write() as transaction:
            now = registry.database.now_in(transaction)
            waiting = submissions.waiting_of_person(transaction, channel_id, keys)
            every = sorted({*loaded, *waiting})
            hashes = [person_keys.id_hash(salt, submission_id) for submission_id in every]
            submissions.forget(transaction, channel_id, hashes, now)
        if loaded:
            with warehouse.connect(read_only=False) as connection:
                delete_submissions(connection, channel_id, loaded)
            warehouse.erase_deleted()
    Audit(registry.database).record(
        "operator", "forms.forgot", tenant=tenant, channel_id=channel_id, detail=f"{len(every)} submissions"
    )
    return Forgotten(len(every), len(loaded))


def _tenant(registry: Registry, channel_id: str, salt: Secret | None) -> str | None:
    """The tenant of a channel; None: it was removed, and its salt and its rows stayed."""
    try:
        return registry.get(channel_id, damaged_too=True).tenant  # a person may ask, whatever is wrong with the row
    except UnknownChannel:
        if salt is None:
            raise
        return None


def _keys(salt: Secret, email: str, phone: str) -> list[str]:
    found = [person_keys.email_key(salt, email), person_keys.phone_key(salt, phone)]
    if phone and found[1] is None:
        raise ChannelError(
            f"the phone number has fewer than {person_keys.FEWEST_DIGITS} digits. No submission is stored under such "
            "a number. Give the whole number."
        )
    if (email or not phone) and not is_email(email):
        raise ChannelError("this is no e-mail address. Give the one that the person used in the form: a@b.example")
    return [key for key in found if key is not None]


def _loaded(connection: Connection, channel_id: str, keys: list[str]) -> list[str]:
    if FORM_SUBMISSIONS.name not in connection.tables(RAW_SCHEMA):
        return []
    sql = (
        f"select submission_id from {RAW_SCHEMA}.{FORM_SUBMISSIONS.name} where channel_id = ?"  # noqa: S608
        " and (email_key = any(?) or phone_key = any(?))"
    )
    return [row[0] for row in connection.fetch(sql, (channel_id, keys, keys))[1]]
