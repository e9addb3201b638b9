"""The registry's tables of form capture: the salt of a channel, its form keys, and the submissions on their way to raw.

No column holds an e-mail address, a phone number or an IP address. A person is a hash under the salt of the channel.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from zoho_pipeline.channels.registry.platform_tables import ID
from zoho_pipeline.channels.registry.tables import Instant, Json, metadata

# Neither this table nor the submissions have a foreign key: the rows of a removed channel stay in the warehouse until
# somebody purges them, and they can be matched and forgotten only as long as the salt is here.
form_channels = Table(
    "registry_form_channels",
    metadata,
    Column("channel_id", String(ID), primary_key=True),
    Column("salt_seal", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("tidied_at", Instant),  # when submissions that nobody needs any more were last looked for
)

form_keys = Table(
    "registry_form_keys",
    metadata,
    Column("form_key", String(ID), primary_key=True),  # it is public: it stands in the source of a page
    Column("channel_id", String(ID), ForeignKey("registry_channels.channel_id", ondelete="CASCADE"), nullable=False),
    Column("origins", Json, nullable=False),  # the pages that may post from a browser
    Column("secret_seal", Text, nullable=False),  # of Standard Webhooks, for a server that posts
    Column("created_at", Instant, nullable=False),
    Column("stored", Integer, nullable=False),
    Column("suspect", Integer, nullable=False),  # of those that were stored
    Column("no_consent", Integer, nullable=False),  # nothing else is kept of these
    Column("last_at", Instant),  # the last submission that was stored
    Index("registry_form_keys_by_channel", "channel_id"),
)

form_submissions = Table(
    "registry_form_submissions",
    metadata,
    Column("channel_id", String(ID), primary_key=True),
    Column("id_hash", String(64), primary_key=True),  # of the submission's id, under the salt
    Column("submission_id", String(36)),  # null: forgotten
    Column("content_hash", String(64)),  # it tells a replay from another content under the same id; null: forgotten
    Column("email_key", String(64)),  # these two and `row` are null as soon as the row is loaded or forgotten
    Column("phone_key", String(64)),
    Column("row", Json),
    Column("state", String(16), nullable=False),  # waiting, loaded, forgotten
    Column("received_at", Instant, nullable=False),
    Column("kept_from", Instant, nullable=False),  # when it came, or when it last belonged to a live lead
    Index("registry_form_submissions_by_state", "state", "channel_id"),
    Index("registry_form_submissions_by_age", "channel_id", "kept_from"),
)
