"""Points of Zoho's behaviour that no public source settles. Each is a switch, and a client must work with any value."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from zoho_pipeline.simulator.wire import SimulatorError


@dataclass
class Switches:
    """The behaviour of this simulator in points in which real orgs may differ. A value may change at any time."""

    # What moves Modified_Time, and what shows in the list of deletions
    conversion_bumps_modified: bool = True
    restore_bumps_modified: bool = False
    merge_bumps_modified: bool = True
    merge_in_deleted: bool = False  # does /deleted list the losing record of a merge?
    conversion_moves_activities: bool = True
    moved_activities_bump_modified: bool = True
    note_bumps_parent: bool = False  # does adding a note or activity move the parent's Modified_Time?
    converted_detail_only: bool = False  # as in old orgs: Converted_* is empty, only $converted_detail has values
    single_get_hides_converted: bool = False  # does a single GET need `converted` to show a converted lead?

    # Pages
    modified_since_inclusive: bool = True
    page_tokens: str = "offset"  # offset (drifts under writes) | keyset | snapshot | circle (back to the first page)
    empty_later_page: int = 204  # status of a page beyond the end, with If-Modified-Since: 204 or 304
    token_rows: int = 100_000  # rows that page tokens reach; tests set it low
    deleted_page_cap: int = 0  # rows of /deleted that pages reach; 0: no limit
    deleted_304: bool = True  # status of /deleted without newer entries: 304, or 204 when False
    unknown_params: str = "ignore"  # ignore | reject
    unknown_fields: str = "ignore"  # ignore | reject, for fields of a list call that the module lacks
    empty_as_list: bool = False  # answer without rows: 200 with an empty list, or 204 when False
    info_on_last_page: bool = True  # does the last page carry `info`?
    live_lookup_names: bool = True  # a lookup shows the present name of its record, or the stored name when False

    # Notifications (`/actions/watch`), and changes by the API
    push_echo: str = "right"  # right | null | absent: the token in deliveries
    push_affected: str = "maps"  # maps | flat | empty: the form of affected_fields
    push_ids: int = 1  # the most ids in one delivery
    push_repeats: int = 1  # times that each delivery is sent
    push_retries: int = 0  # more tries after an answer that is not 2xx
    push_reversed: bool = False  # the newest delivery that waits comes first
    push_paused: bool = False  # nothing is sent, and everything waits
    push_own_changes: bool = True  # is a change by the API told to the client that made it?
    push_on_restore: bool = False
    push_on_merge: bool = False
    meetings_event: str = "Events"  # or Meetings: the name of that module in events
    watch_status: int = 201  # or 202, of a subscription
    watch_names: str = "all"  # all | first: the modules that the answer to a subscription names
    watch_longest: int = 604_800  # seconds; a later expiry becomes one hour
    mixed_status: int = 207  # or 200 or 202, of a change of which some rows are refused
    converted_write_code: str = "CONVERTED_RECORD"  # or NOT_ALLOWED
    strict_picklists: bool = False  # does a change refuse a text that is not in the picklist?

    # Token endpoint
    token_error_status: int = 200
    throttle_status: int = 400
    token_scope: bool = True  # do token answers carry `scope`?
    unauthorized_code: str = "INVALID_TOKEN"  # or INVALID_OAUTHTOKEN: code of a 401 for a bad access token
    legacy_expires_in: bool = False  # expires_in in milliseconds, with expires_in_sec beside it
    token_seconds: int = 3600
    code_seconds: int = 120
    api_domain: str = ""  # `api_domain` of token answers; empty: this simulator
    callback_location: str = ""  # `location` of a callback; empty: the location of the org
    callback_accounts_server: str = ""  # `accounts-server` of a callback; empty: this simulator
    consent_redirect: str = ""  # accounts server to which the consent page redirects (home data centre)
    consent_opener_policy: str = ""  # Cross-Origin-Opener-Policy of the consent page; empty: the header is not sent
    drop_refresh_token: bool = False  # no exchange of a code returns a refresh token

    # Connections, and calls that a version or an environment lacks
    keep_alive: bool = True  # False: the server closes each connection after its answer
    chunked: bool = False  # bodies come in chunks, without Content-Length
    lacking: str = ""  # parts of paths, separated by commas, that answer 404 INVALID_URL_PATTERN

    # The Date header
    date_offset: float = 0.0  # seconds by which it is ahead of the clock that dates records; negative: behind

    # Limits
    enforce_credits: bool = True
    enforce_concurrency: bool = True
    rate_limit_code: str = "TOO_MANY_REQUESTS"  # or RATE_LIMIT_EXCEEDED
    sorted_read_credits: int = 1
    latency: float = 0.0  # seconds that every API answer takes, so that calls overlap

    # COQL and Bulk Read
    coql_row_limit: int = 2000
    coql_clamps: bool = False  # a query for too many rows gets fewer, or LIMIT_EXCEEDED when False
    coql_offset_cap: int = 100_000  # 10 000 in older versions
    bulk_rows: int = 200_000  # rows per page of a job; tests set it low
    bulk_mode: str = "at_once"  # at_once | polls | time
    bulk_polls: int = 3  # polls that a job needs in mode `polls`
    bulk_seconds: float = 4.0  # seconds that a job runs in mode `time`
    bulk_downloads_per_minute: int = 10
    bulk_result_after: int = 0  # times that the file of a completed job still answers 404
    bulk_refuses_at_create: bool = False  # an unknown field answers 400 at once, or the job ends in FAILURE when False
    bulk_file: str = "whole"  # whole | header (no row) | half | twice (each row) | repeated (the page before again)
    bulk_damage: str = ""  # how the file of each job is damaged, see `api/bulk_files.DAMAGES`; empty: it is not
    bulk_count_lies: bool = False  # does the count of a job give the rows of such a file, instead of the true number?
    queries_show: str = ""  # ids, separated by commas, that queries and jobs show although the user may not see them
    queries_hide: str = ""  # ids, separated by commas, that queries and jobs hide although lists show them
    coql_trackers: bool = True  # can COQL read history modules?
    coql_notes: bool = True

    def update(self, **values: Any) -> None:
        """Set switches by name; raises SimulatorError for an unknown name and for a value of the wrong type."""
        known = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise SimulatorError(f"unknown switch {name}; the switches are: {', '.join(known)}")
            if known[name] is float and type(value) is int:
                value = float(value)
            if type(value) is not known[name]:
                raise SimulatorError(f"switch {name} takes a value of type {known[name].__name__}, not {value!r}")
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
