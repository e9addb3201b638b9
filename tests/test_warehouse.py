"""The warehouse: URLs, one writer, files held by other programs, transactions, and the dlt destination."""

import re
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from threading import Event, Thread
from urllib.parse import urlsplit

import dlt
import duckdb
import pyarrow as pa
import pytest

import zoho_pipeline
from tests.postgres import free_port
from zoho_pipeline import stopping
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.connection import (
    Connection,
    ConnectionLost,
    DamagedFile,
    SqlError,
    UnknownWarehouse,
    WarehouseBusy,
    WarehouseError,
)
from zoho_pipeline.warehouse.duckdb_connection import closing_duckdb
from zoho_pipeline.warehouse.duckdb_file import DuckDBFile
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.postgres_warehouse import PostgresWarehouse
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse


def at(url: str) -> Warehouse:
    return open_warehouse(Settings(home=Path("unused"), warehouse_url=url, registry_url=""))


@pytest.fixture
def file(tmp_path: Path) -> DuckDBWarehouse:
    made = at(f"duckdb:///{tmp_path}/deep/warehouse.duckdb")
    assert isinstance(made, DuckDBWarehouse)
    return made


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    if request.param == "postgres":
        return at(request.getfixturevalue("postgres_url"))
    return request.getfixturevalue("file")  # type: ignore[no-any-return]


def make_table(warehouse: Warehouse) -> None:
    with warehouse.connect(read_only=False) as connection:
        connection.execute("create schema zoho_raw")
        connection.execute("create table zoho_raw.t (a integer, b text)")
        assert connection.execute("insert into zoho_raw.t values (?, ?), (2, '50%?')", (1, "what?")) == 2


def test_a_duckdb_url_is_a_file_and_the_published_file_beside_it(file: DuckDBWarehouse, tmp_path: Path) -> None:
    assert (file.dialect, file.path) == ("duckdb", tmp_path / "deep" / "warehouse.duckdb")
    assert file.published_path == tmp_path / "deep" / "warehouse.published.duckdb"
    assert DuckDBWarehouse.from_url("duckdb:///data/w.duckdb").path == Path.cwd() / "data" / "w.duckdb"


@pytest.mark.parametrize(
    "url", ["duckdb://", "duckdb:///", "duckdb:///:memory:", "mysql://h/d", "w.duckdb", "postgresql://h:x/d"]
)
def test_another_kind_of_url_is_wrong_use(url: str) -> None:
    with pytest.raises(UnknownWarehouse, match="ZOHO_PIPELINE_WAREHOUSE") as caught:
        at(url)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "url", ["postgresql://me:s3cret@localhost:1/d", "postgres://me@localhost:1/d?password=s3cret&connect_timeout=1"]
)
def test_no_password_is_ever_shown(url: str) -> None:
    warehouse = at(url)
    assert "s3cret" not in f"{warehouse!r} {warehouse.url} {warehouse.destination()!r}"
    assert "***" in warehouse.url
    with pytest.raises(WarehouseError, match="cannot connect to postgresql") as caught, warehouse.connect():
        pass
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:S3c#retPw@h:1/d", "postgresql://me:S3c?retPw@h:1/d", "postgresql://me:S3c/retPw@h:1/d",
        "postgresql://me:S3cr@tPw@h:1/d", "postgresql:/me:S3cretPw@h/d", "postgresql//me:S3cretPw@h/d",
        "mysql:me:S3cretPw@h/d", "postgresql://me:S3cretPw%@h/d", "postgresql://me@h/d?pass%77ord=S3cretPw",
    ],
)  # fmt: skip
def test_a_url_with_an_ambiguous_password_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(UnknownWarehouse) as caught:
        at(url)
    assert "S3c" not in str(caught.value)
    assert "tPw" not in str(caught.value)


def test_a_short_password_is_hidden_where_it_is_one() -> None:
    said = at("postgresql://me:a@h/d").hide("a table: postgresql://me:a@h/d, user=me password=a dbname=d")
    assert said == "a table: postgresql://me:***@h/d, user=me password=*** dbname=d"


def test_a_password_that_is_also_a_name_is_hidden_where_it_is_one() -> None:
    said = at("postgresql://zoho:zoho@h/d").hide("postgresql://zoho:zoho@h/d: no password of user zoho")
    assert said == "postgresql://zoho:***@h/d: no password of user zoho"
    assert at("postgresql://u:postgres@h/d").hide("to postgresql://u:***@h/d") == "to postgresql://u:***@h/d"


def test_an_empty_port_is_the_usual_one() -> None:
    at("postgresql://u:p@h/d?port=").destination()


def test_every_password_of_a_url_is_redacted() -> None:
    shown = at("postgresql://me:a@h/d?sslpassword=S3c&password=S3c&sslmode=disable").url
    assert shown == "postgresql://me:***@h/d?sslpassword=***&password=***&sslmode=disable"
    assert at("postgresql://me@/d?host=/run/pg").url == "postgresql://me@/d?host=/run/pg"
    for plain in ("postgresql:///d", "postgresql://h?sslmode=disable", "postgresql://?host=/run/pg&user=me"):
        assert at(plain).url == plain


def test_parameters_quotes_and_percent_signs(warehouse: Warehouse) -> None:
    make_table(warehouse)
    with warehouse.connect() as connection:
        assert connection.rows("select a, b from zoho_raw.t where b like '%?' and a > ? order by a", (0,)) == [
            {"a": 1, "b": "what?"},
            {"a": 2, "b": "50%?"},
        ]
        assert connection.fetch("select 7 % ? as m, '?' as \"?\" -- why?", (4,)) == (["m", "?"], [(3, "?")])
        assert list(connection.tables()["t"]) == ["a", "b"]
        assert connection.tables("nowhere") == {}


def test_times_are_utc(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        (row,) = connection.rows("select cast(timestamptz '2026-03-01 12:00:00+05:30' as text) as t")
        assert row["t"].startswith("2026-03-01 06:30:00+00")


def test_a_block_is_one_transaction(warehouse: Warehouse) -> None:
    make_table(warehouse)

    def spoil(connection: Connection) -> None:
        assert connection.execute("delete from zoho_raw.t") == 2
        connection.execute("select\n nothing\nfrom zoho_raw.t")

    with pytest.raises(SqlError, match="nothing") as caught, warehouse.connect(read_only=False) as connection:
        spoil(connection)
    assert (caught.value.line, caught.value.near, caught.value.of_data) == (2, "nothing", False)
    with warehouse.connect() as connection:
        assert connection.rows("select count(*) as n from zoho_raw.t") == [{"n": 2}]


def test_reading_cannot_write(warehouse: Warehouse) -> None:
    make_table(warehouse)
    with pytest.raises(SqlError, match=r"(?i)read-only"), warehouse.connect() as connection:
        connection.execute("delete from zoho_raw.t")


@pytest.mark.parametrize("sql", ["select cast(b as integer) from zoho_raw.t", "select (select a from zoho_raw.t) as a"])
def test_errors_of_data_differ_from_wrong_sql(warehouse: Warehouse, sql: str) -> None:
    make_table(warehouse)
    with warehouse.connect() as connection, pytest.raises(SqlError) as caught:
        connection.fetch(sql)
    assert caught.value.of_data


def test_a_file_that_is_not_there_reads_as_an_empty_warehouse(file: DuckDBWarehouse) -> None:
    with file.connect() as connection:
        assert connection.tables() == {}
    assert not file.path.exists()


def test_writers_take_turns_and_a_thread_may_enter_twice(file: DuckDBWarehouse) -> None:
    make_table(file)
    order: list[str] = []

    def other() -> None:
        with at(f"duckdb:///{file.path}").connect(read_only=False) as connection:
            order.append("other")
            connection.execute("delete from zoho_raw.t where a = 1")

    with file.exclusive():
        waiting = threading.Thread(target=other)
        waiting.start()
        with file.connect() as connection:
            assert connection.rows("select count(*) as n from zoho_raw.t") == [{"n": 2}]
        waiting.join(timeout=0.3)
        order.append("first")
        assert waiting.is_alive()
        with pytest.raises(WarehouseBusy, match="Let it finish"):
            _in_thread(lambda: file.exclusive(timeout=0.1).__enter__())
    waiting.join(timeout=30)
    assert order == ["first", "other"]


def _in_thread(act: Callable[[], object]) -> None:
    """Run in another thread, and raise in this thread what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=30)
    if raised:
        raise raised[0]


def test_a_file_that_another_program_holds_is_waited_for_then_named(file: DuckDBWarehouse) -> None:
    make_table(file)
    code = f"import duckdb, sys; c = duckdb.connect({str(file.path)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:
        assert stranger.stdin
        assert stranger.stdout
        assert stranger.stdout.readline() == b"open\n"
        with pytest.raises(WarehouseBusy, match=rf"PID {stranger.pid}.*zoho-pipeline sql"), file.exclusive(timeout=0.3):
            pass
        threading.Timer(0.3, stranger.stdin.close).start()
        with file.connect(timeout=30) as connection:
            assert connection.rows("select count(*) as n from zoho_raw.t") == [{"n": 2}]


@pytest.mark.parametrize("where", ["another thread", "the same thread"])
def test_no_other_program_writes_while_a_thread_has_the_file_open(file: DuckDBWarehouse, where: str) -> None:
    """A second look at the file dropped DuckDB's lock on it: the system drops the locks of a process on a file when the
    process closes the file once."""
    with file.connect(read_only=False) as connection:
        connection.execute("create table t(i int)")
    program = f"import duckdb; duckdb.connect({str(file.path)!r}); print('opened')"

    def look() -> None:
        if where == "the same thread":
            with file.connect():
                pass
            return
        with pytest.raises(WarehouseBusy), file.connect(timeout=0.1):
            pass

    with file.connect() as connection:
        assert connection.rows("select * from t") == []
        if where == "the same thread":
            look()
        else:
            other = threading.Thread(target=look)
            other.start()
            other.join()
        found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert ("opened" in found.stdout, "Could not set lock" in found.stderr) == (False, True)


def test_a_folder_or_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("not a folder")
    with (
        pytest.raises(WarehouseError, match=r"plain/w\.duckdb cannot be used"),
        at(f"duckdb:///{tmp_path}/plain/w.duckdb").connect(),
    ):
        pass
    (tmp_path / "w.duckdb").write_text("not a database, but long enough to look at " * 400)
    with (
        pytest.raises(WarehouseError, match=r"w\.duckdb is damaged.*not a valid DuckDB.*zoho-pipeline sync"),
        at(f"duckdb:///{tmp_path}/w.duckdb").connect(),
    ):
        pass


def merge_by_dlt(warehouse: Warehouse, folder: Path, values: list[str]) -> None:
    """Merge the rows (0, values[0]), (1, values[1]) … of the channel `a` into the raw table `things`."""
    table = pa.table(
        {"channel_id": ["a"] * len(values), "id": [str(n) for n in range(len(values))], "value": values},
        pa.schema(
            [pa.field("channel_id", pa.string(), False), pa.field("id", pa.string(), False), ("value", pa.string())]
        ),
    )
    rows = dlt.resource(
        [table], name="things", primary_key=["channel_id", "id"], write_disposition="merge", file_format="parquet"
    )
    destination = warehouse.destination("tea.co")
    pipeline = dlt.pipeline("things", destination=destination, dataset_name="zoho_raw", pipelines_dir=str(folder))
    with warehouse.lend(destination):
        pipeline.run(rows).raise_on_failed_jobs()


def test_dlt_merges_parquet_into_it(warehouse: Warehouse, tmp_path: Path) -> None:
    merge_by_dlt(warehouse, tmp_path / "dlt", ["old", "kept"])
    merge_by_dlt(warehouse, tmp_path / "dlt", ["new"])
    with warehouse.connect() as connection:
        found = connection.fetch("select id, value from zoho_raw.things order by id")[1]
        staged = connection.tables(warehouse.staging_schema("tea.co"))
    assert found == [("0", "new"), ("1", "kept")]
    assert "things" in staged


@pytest.mark.long
@pytest.mark.parametrize("option", ["", "&connect_timeout=15%20"], ids=["parquet", "sql"])
def test_a_url_of_several_hosts_uses_the_one_that_answers(postgres_url: str, tmp_path: Path, option: str) -> None:
    server = urlsplit(postgres_url)
    hosts = f"127.0.0.1:{free_port()},{server.hostname}:{server.port}"
    url = f"postgresql://{server.username}@{hosts}{server.path}?target_session_attrs=read-write{option}"
    warehouse = at(url)
    assert warehouse.takes_parquet is not bool(option)
    assert warehouse.url == url
    merge_by_dlt(warehouse, tmp_path / "dlt", ["one"])
    with warehouse.connect() as connection:
        assert connection.fetch("select value from zoho_raw.things")[1] == [("one",)]


@pytest.mark.parametrize(
    ("url", "takes"),
    [
        ("duckdb:////tmp/w.duckdb", True),
        ("postgresql://u:p%40ss@h/db", True),
        ("postgresql://u:p%20ss@h/db", False),
        ("postgresql://o%20b@h/db", False),
        ("postgresql://u@h/db?options=-c%20statement_timeout%3D0", False),
    ],
)
def test_parquet_is_loaded_where_dlts_url_can_be_read(url: str, takes: bool) -> None:
    assert at(url).takes_parquet is takes


def test_the_message_of_an_engine_is_shown_without_the_password() -> None:
    warehouse = at("postgresql://u:a%20b%2Fc%2B@h/db")
    for written in ("a b/c+", "a%20b%2Fc%2B", "a b%2Fc+", "a+b%2Fc%2B"):
        assert warehouse.hide(f'spaces in "{written}"') == 'spaces in "***"'


def test_a_server_that_refuses_is_named_before_dlt_tries(postgres_url: str) -> None:
    warehouse = at(postgres_url.replace("://postgres@", "://nobody:secret%20word@"))
    refused = pytest.raises(WarehouseError, match=r"cannot connect.*nobody")
    with refused as raised, warehouse.lend(warehouse.destination()):
        pass
    assert "secret" not in str(raised.value)


def test_nothing_branches_on_the_name_of_the_engine() -> None:
    """A difference between engines is a method. Import contracts keep the classes of engines in their own files."""
    package = Path(zoho_pipeline.__file__).parent
    branches = [
        f"{path.relative_to(package)}:{number}"
        for path in sorted(package.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"\bdialect\s*(==|!=|in\s*[(\[{])", line)
    ]
    assert branches == []


def test_only_words_of_damage_have_the_cure_of_damage(tmp_path: Path) -> None:
    file = DuckDBFile(tmp_path / "w.duckdb")
    full = 'The database has been invalidated. Original error: Could not write file "/x": No space left on device'
    reasons = (
        "IO Error: No space left on device",
        "Permission denied",
        "Out of Memory Error: could not allocate",
        full,
    )
    for reason in reasons:
        assert file.damage(reason) is None
    assert "zoho-pipeline sync" in str(file.damage("Corrupt database file: computed checksum 1"))
    published = DuckDBFile(tmp_path / "p.duckdb", published=True)
    assert "the next `zoho-pipeline transform` makes it again" in str(
        published.damage("not a valid DuckDB database file!")
    )


def test_a_log_that_cannot_be_applied_is_moved_away_and_not_the_warehouse(tmp_path: Path) -> None:
    for name in ("w.duckdb", "w.duckdb.wal"):
        (tmp_path / name).touch()
    said = str(DuckDBFile(tmp_path / "w.duckdb").damage("INTERNAL Error: Failure while replaying WAL file"))
    assert f"Move {tmp_path}/w.duckdb.wal away" in said


def test_damage_that_could_be_in_each_of_two_files_names_both(tmp_path: Path) -> None:
    files = DuckDBFile(tmp_path / "w.duckdb"), DuckDBFile(tmp_path / "p.duckdb", published=True)
    with pytest.raises(DamagedFile) as caught, closing_duckdb(duckdb.connect(":memory:"), *files) as connection:
        connection.fetch("select error('Corrupt database file: computed checksum 1')")
    assert f"the warehouse file {tmp_path}/w.duckdb is damaged" in str(caught.value)
    assert f"Or the published file {tmp_path}/p.duckdb is damaged" in str(caught.value)


def test_no_session_shows_a_progress_bar(tmp_path: Path) -> None:
    """DuckDB shows one on stdout in a program without a file, such as this one; it stood in the middle of JSON."""
    code = f"""
        import duckdb
        from pathlib import Path
        from zoho_pipeline.transform.run.duckdb_session import open_session
        from zoho_pipeline.warehouse.duckdb_file import DuckDBFile
        from zoho_pipeline.warehouse.duckdb_published import open_confined
        path = Path({str(tmp_path / "some.duckdb")!r})
        with duckdb.connect(str(path)) as made:
            made.execute("create schema marts")
        shown = "select current_setting('enable_progress_bar')"
        raw = DuckDBFile(path).open(read_only=False, timeout=1)
        shows = [duckdb.connect().execute(shown).fetchone()[0], raw.execute(shown).fetchone()[0]]
        raw.close()
        shows.append(open_confined(DuckDBFile(path), None).cursor().execute(shown).fetchone()[0])
        with open_session(()) as session:
            shows.append(session.fetch(shown)[1][0][0])
        print(shows)
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "[True, False, False, False]\n"


def test_a_file_that_threads_keep_open_is_given_to_others(tmp_path: Path) -> None:
    """They use it without a pause. Another process, here another lock, gets its turn all the same."""
    url = f"duckdb:///{tmp_path}/kept.duckdb"
    kept, other = DuckDBWarehouse.from_url(url), DuckDBWarehouse.from_url(url)
    with kept.connect(read_only=False) as connection:
        connection.execute("create table t (n integer)")
    done, counts = Event(), [0, 0]

    def use(number: int) -> None:
        while not done.is_set():
            with kept.connect(read_only=False) as connection:
                connection.execute("insert into t values (1)")
            counts[number] += 1

    with kept.kept_open():
        threads = [Thread(target=use, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        try:
            with other.connect(timeout=60) as connection:
                seen = connection.fetch("select count(*) from t")[1][0][0]
        finally:
            done.set()
            for thread in threads:
                thread.join()
    with other.connect() as connection:
        assert connection.fetch("select count(*) from t")[1] == [(sum(counts),)]
    assert seen <= sum(counts)
    assert min(counts) > 0


def test_a_full_disk_costs_one_session_of_a_file_that_is_kept_open(file: DuckDBWarehouse) -> None:
    """DuckDB refuses every further session in a file whose checkpoint failed, until the file is opened anew."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with file.connect(read_only=False) as connection:
        connection.execute("create table t as select range as n from range(10)")
    with file.kept_open():
        with file.connect(read_only=False) as connection:
            connection.execute("insert into t select range from range(5000)")
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        try:
            with pytest.raises(SqlError, match="checkpoint"), file.connect() as connection:
                connection.execute("checkpoint")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        with file.connect() as connection:
            assert connection.fetch("select count(*) from t")[1] == [(5010,)]


def test_a_thread_that_is_left_behind_gives_the_file_free_at_its_end(tmp_path: Path) -> None:
    """After a stop nobody waits for the threads of a batch. The process may live on, and others need the file."""
    url = f"duckdb:///{tmp_path}/kept.duckdb"
    kept, other = DuckDBWarehouse.from_url(url), DuckDBWarehouse.from_url(url)
    begun, release = Event(), Event()

    def use() -> None:
        with kept.connect(read_only=False) as connection:
            connection.execute("create table t (n integer)")
            begun.set()
            release.wait(60)

    thread = Thread(target=use)
    with kept.kept_open():
        opening = kept.files[0].kept  # whoever still refers to it must not keep the file
        thread.start()
        assert begun.wait(60)
    release.set()
    thread.join()
    with other.connect(timeout=1) as connection:
        assert connection.fetch("select count(*) from t")[1] == [(0,)]
    assert opening is not None


def test_a_stop_ends_a_session_whose_server_does_not_answer(postgres_url: str) -> None:
    """A machine that hangs takes connections, and says nothing. psycopg2's `cancel` would wait for it for ever."""
    server = urlsplit(postgres_url)
    frozen = Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def carry(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while (data := source.recv(65_536)) and not frozen.is_set():
                    target.sendall(data)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    taken.append(listening.accept()[0])
                    if not frozen.is_set():
                        taken.append(socket.create_connection(("127.0.0.1", server.port or 5432)))
                        for source, target in ((taken[-1], taken[-2]), (taken[-2], taken[-1])):
                            Thread(target=carry, args=(source, target), daemon=True).start()

        taken: list[socket.socket] = []
        Thread(target=accept, daemon=True).start()
        port = listening.getsockname()[1]
        hung = PostgresWarehouse.from_url(postgres_url.replace(f":{server.port}", f":{port}"))

        def ask() -> None:
            with hung.connect() as connection:
                frozen.set()
                stop.start()
                connection.fetch("select 1")

        stop = threading.Timer(0.5, stopping._interrupt_all)
        with pytest.raises(ConnectionLost):
            ask()
        stop.join()
    for end in taken:
        end.close()
