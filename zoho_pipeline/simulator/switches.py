"""Facts that no public source settles, each as a switch: a client must be right either way."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from zoho_pipeline.simulator.wire import SimulatorError


@dataclass
class Switches:
    """How this Zoho behaves where real ones may differ. Change a value at any time."""

    # What moves Modified_Time, and what leaves a trace
    conversion_bumps_modified: bool = True
    restore_bumps_modified: bool = False
    merge_bumps_modified: bool = True
    merge_in_deleted: bool = False  # does the losing record of a merge stand in /deleted?
    conversion_moves_activities: bool = True
    moved_activities_bump_modified: bool = True
    note_bumps_parent: bool = False  # does adding a note or activity move the parent's Modified_Time?
    converted_detail_only: bool = False  # old orgs: Converted_* blank, only $converted_detail filled
    single_get_hides_converted: bool = False  # is `converted` needed to read one converted lead?

    # Pages
    modified_since_inclusive: bool = True
    page_tokens: str = "offset"  # offset (drifts under writes) | keyset | snapshot
    empty_later_page: int = 204  # a page beyond the end, with If-Modified-Since: 204 or 304
    token_rows: int = 100_000  # rows that page tokens reach; small in tests
    deleted_page_cap: int = 0  # rows of /deleted that pages reach; 0: no cap
    deleted_304: bool = True  # nothing newer in /deleted: 304, else 204
    unknown_params: str = "ignore"  # ignore | reject
    unknown_fields: str = "ignore"  # ignore | reject: a list call's fields that the module lacks
    empty_as_list: bool = False  # no rows: 200 with an empty list, else 204
    info_on_last_page: bool = True  # does a page that nothing follows say so?
    live_lookup_names: bool = True  # a lookup shows the parent's name of now, else that of the day it was set

    # Token endpoint
    token_error_status: int = 200
    throttle_status: int = 400
    token_scope: bool = True  # token answers name the scope
    legacy_expires_in: bool = False  # expires_in in milliseconds beside expires_in_sec
    token_seconds: int = 3600
    code_seconds: int = 120
    api_domain: str = ""  # what token answers say; empty: this simulator
    callback_location: str = ""  # what a callback's `location` says; empty: the org's
    callback_accounts_server: str = ""  # likewise `accounts-server`; empty: this simulator
    consent_redirect: str = ""  # another accounts server the consent page sends the browser to (home centre)
    drop_refresh_token: bool = False  # an exchange never brings a refresh token

    # Connections, and calls a version or an environment lacks
    keep_alive: bool = True  # False: the server closes each connection after its answer
    chunked: bool = False  # bodies come in chunks, without a length
    lacking: str = ""  # parts of paths, separated by commas, that are 404 INVALID_URL_PATTERN

    # The Date header
    date_offset: float = 0.0  # seconds by which it stands ahead of the clock that stamps records; negative: behind

    # Limits
    enforce_credits: bool = True
    enforce_concurrency: bool = True
    rate_limit_code: str = "TOO_MANY_REQUESTS"  # or RATE_LIMIT_EXCEEDED
    sorted_read_credits: int = 1
    latency: float = 0.0  # seconds every API answer takes: what makes calls overlap

    # COQL and Bulk Read
    coql_row_limit: int = 2000
    coql_clamps: bool = False  # more rows asked for than the limit: fewer are given, else LIMIT_EXCEEDED
    coql_offset_cap: int = 100_000  # older: 10 000
    bulk_rows: int = 200_000  # rows of a job page; small in tests
    bulk_mode: str = "at_once"  # at_once | polls | time
    bulk_polls: int = 3  # polls a job needs with `polls`
    bulk_seconds: float = 4.0  # seconds a job runs with `time`
    bulk_downloads_per_minute: int = 10
    bulk_result_after: int = 0  # times a completed job's file is still 404
    bulk_file: str = "whole"  # whole | header (no row) | half | twice (each row) | repeated (the page before again)
    bulk_count_lies: bool = False  # a job's count tells the rows of such a file, else those it should hold
    bulk_refuses_at_create: bool = False  # an unknown field: 400 at once, else the job ends in FAILURE
    queries_show: str = ""  # ids, separated by commas, that queries and jobs show although the user may not see them
    queries_hide: str = ""  # ids that queries and jobs hide although lists show them
    coql_trackers: bool = True  # can COQL read history modules?
    coql_notes: bool = True

    def update(self, **values: Any) -> None:
        """Set several switches; raises SimulatorError for a name or a type that no switch has."""
        known = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise SimulatorError(f"no switch {name}; there are: {', '.join(known)}")
            if known[name] is float and type(value) is int:
                value = float(value)
            if type(value) is not known[name]:
                raise SimulatorError(f"switch {name} is a {known[name].__name__}, not {value!r}")
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
