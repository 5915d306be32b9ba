"""The ledger keeps what was acknowledged, once, and nothing else."""

import datetime as dt
import decimal
import multiprocessing
import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segmentation.exceptions import ColumnError
from segmentation.monitoring import LedgerBusyError, LedgerError, ReturnLedger
from segmentation.monitoring._ledger_schema import TRIGGERS

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """URL of an empty PostgreSQL database: given by SEGMENTATION_TEST_POSTGRES, or a server started here."""
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if given := os.environ.get("SEGMENTATION_TEST_POSTGRES"):
        yield given
        return
    programs = {name: _program(name) for name in ("initdb", "postgres")}
    if missing := [name for name, path in programs.items() if path is None]:
        pytest.skip(f"PostgreSQL is not installed ({', '.join(missing)}), nor named by SEGMENTATION_TEST_POSTGRES")
    folder = Path("/tmp") / f"segmentation-postgres-{os.getpid()}"  # noqa: S108  (a socket's path must be short)
    folder.mkdir(mode=0o700)
    user = []
    if os.getuid() == 0:  # the server refuses to run as root
        if not shutil.which("setpriv") or subprocess.run(["/usr/bin/id", "postgres"], capture_output=True).returncode:
            folder.rmdir()
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        shutil.chown(folder, "postgres", "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = folder / "data"
    try:
        made = [*user, programs["initdb"], "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd="/")
        command = [*user, programs["postgres"], "-D", str(data), "-k", str(folder), "-c", "listen_addresses="]
        server = subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
            _wait_for(url, server)
            yield url
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(name):
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


def _wait_for(url, server):
    import sqlalchemy

    engine = sqlalchemy.create_engine(url)
    for _ in range(100):
        assert server.poll() is None
        try:
            engine.connect().close()
        except sqlalchemy.exc.OperationalError:
            time.sleep(0.1)
        else:
            break
    engine.dispose()


@pytest.fixture(params=["path", "sqlite url", "postgresql"])
def place(request, tmp_path):
    """A new ledger by path, by SQLite URL and in PostgreSQL."""
    if request.param == "path":
        yield tmp_path / "returns.db"
    elif request.param == "sqlite url":
        pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
        yield f"sqlite:///{tmp_path / 'returns.db'}"
    else:
        url = request.getfixturevalue("postgres")
        import sqlalchemy

        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        engine.dispose()
        yield url


@pytest.fixture
def ledger(place):
    with ReturnLedger(place, timeout=5) as opened:
        yield opened


@pytest.fixture
def path(tmp_path):
    return tmp_path / "returns.db"


TABLE = pd.DataFrame(
    {
        "invoice": [11, 12, 13],
        "segment": ["loyal", "new", None],
        "action": ["mail", "mail", "mail"],
        "period": ["2024-01", "2024-01", "2024-02"],
        "cost": [10.0, 20.0, 5.0],
        "outcome": [30.0, None, 1.0],
    }
)


# ------------------------------------------------------------------ entries
def test_an_entry_is_read_as_it_was_added(ledger):
    number = ledger.add(
        segment="loyal", action="mail", period=pd.Period("2024-03"), effort=100, unit="contacts", cost=50.5, outcome=80,
        n_customers=200, arm="control", note="test",
    )  # fmt: skip
    row = ledger.entries().iloc[0]
    assert number == row["entry"] == 1
    assert row[["segment", "action", "period", "arm", "unit", "note"]].tolist() == [
        "loyal", "mail", "2024-03", "control", "contacts", "test",
    ]  # fmt: skip
    assert row[["effort", "cost", "outcome", "n_customers"]].tolist() == [100, 50.5, 80, 200]
    assert row["counts"]
    assert not row["retraction"]
    assert abs(row["recorded_at"] - pd.Timestamp.now("UTC")) < pd.Timedelta(minutes=1)


def test_what_is_not_stated_is_missing_and_not_zero(ledger):
    ledger.add(period="2024-01", cost=0)
    row = ledger.entries().iloc[0]
    assert row["segment"] is None
    assert row["action"] is None
    assert row["cost"] == 0
    assert np.isnan(row["outcome"])
    cells = ledger.cells().iloc[0]
    assert (cells["segment"], cells["stated_cost"], cells["stated_outcome"]) == ("", 1, 0)


def test_a_correction_refers_to_the_old_entry_which_stays(ledger):
    first = ledger.add(segment="a", period="2024-01", cost=10, outcome=1)
    second = ledger.correct(first, cost=12, segment="b", note="other segment")
    assert ledger.entries()[["entry", "segment", "cost", "outcome"]].to_numpy().tolist() == [[second, "b", 12, 1]]
    history = ledger.entries(history=True)
    assert history["corrects"].tolist() == [pd.NA, 1]
    assert history["corrected_by"].tolist() == [2, pd.NA]
    assert history["counts"].tolist() == [False, True]
    assert len(ledger) == 2
    assert ledger.cells()[["segment", "cost"]].to_numpy().tolist() == [["b", 12.0]]


def test_an_entry_is_corrected_once_and_then_its_correction(ledger):
    first = ledger.add(period="2024-01", cost=10)
    second = ledger.correct(first, cost=11)
    with pytest.raises(LedgerError, match=f"entry {first} was corrected already; the entry that stands for it is 2"):
        ledger.correct(first, cost=12)
    ledger.correct(second, cost=12)
    assert ledger.entries()["cost"].tolist() == [12.0]


def test_a_correction_may_clear_a_field_and_must_change_something(ledger):
    first = ledger.add(period="2024-01", cost=10, outcome=3, note="n")
    with pytest.raises(LedgerError, match="changes nothing"):
        ledger.correct(first, cost=10.0)
    ledger.correct(first, outcome=None)
    assert np.isnan(ledger.entries()["outcome"].iloc[0])
    assert ledger.entries()["note"].iloc[0] == "n"


def test_a_retraction_counts_for_nothing_and_is_final(ledger):
    first = ledger.add(period="2024-01", cost=10)
    last = ledger.retract(first, note="booked twice")
    assert len(ledger.entries()) == 0
    assert len(ledger.cells()) == 0
    history = ledger.entries(history=True)
    assert history["retraction"].tolist() == [False, True]
    assert history["note"].tolist() == [None, "booked twice"]
    with pytest.raises(LedgerError, match="retraction"):
        ledger.correct(last, cost=1)
    with pytest.raises(LedgerError, match="was corrected already"):
        ledger.retract(first, note="again")


def test_no_such_entry(ledger):
    with pytest.raises(LedgerError, match="there is no entry 7; the ledger has 0 entries"):
        ledger.correct(7, cost=1)
    with pytest.raises(TypeError, match="number of an entry"):
        ledger.correct("7", cost=1)


# ------------------------------------------------------------------ keys and imports
def test_the_same_key_and_content_is_there_once(ledger):
    first = ledger.add(period="2024-01", cost=10, key="a-1")
    assert ledger.add(period="2024-01", cost=10.0, key="a-1") == first
    assert len(ledger) == 1
    with pytest.raises(LedgerError, match=r"'a-1' is there with other content \(entry 1\)"):
        ledger.add(period="2024-01", cost=11, key="a-1")
    assert ledger.add(period="2024-01", cost=10, key="a-2") == first + 1


def test_a_table_without_a_key_is_imported_once_in_whatever_order(ledger):
    table = TABLE.drop(columns="invoice")
    assert str(ledger.import_table(table)) == "3 rows: 3 added"
    again = ledger.import_table(table.iloc[::-1])
    assert (again.n_added, again.n_present) == (0, 3)
    assert len(ledger) == 3
    assert ledger.import_table(table.head(2)).n_added == 2  # another table


def test_equal_rows_of_one_table_all_count(ledger):
    ledger.import_table(pd.DataFrame({"period": ["2024-01"] * 3, "cost": [5.0] * 3}))
    assert ledger.cells()["cost"].tolist() == [15.0]


def test_rows_with_keys_are_imported_once_each(ledger):
    assert ledger.import_table(TABLE.head(2), key="invoice").n_added == 2
    result = ledger.import_table(TABLE, key="invoice")
    assert (result.n_rows, result.n_added, result.n_present) == (3, 1, 2)
    assert ledger.entries()["key"].tolist() == ["11", "12", "13"]


def test_changed_rows_raise_and_add_nothing_or_become_corrections(ledger):
    ledger.import_table(TABLE, key="invoice")
    changed = pd.concat([TABLE.assign(cost=[10.0, 99.0, 5.0]), TABLE.head(1).assign(invoice=14)])
    with pytest.raises(LedgerError, match=r"1 key in the ledger with other content: '12'. Nothing was added"):
        ledger.import_table(changed, key="invoice")
    assert len(ledger) == 3
    result = ledger.import_table(changed, key="invoice", on_change="correct")
    assert (result.n_added, result.n_present, result.n_corrected) == (1, 2, 1)
    assert ledger.entries()["cost"].sum() == 10 + 99 + 5 + 10
    again = ledger.import_table(changed, key="invoice", on_change="correct")
    assert (again.n_added, again.n_present, again.n_corrected) == (0, 4, 0)
    old = ledger.import_table(TABLE, key="invoice")  # the file of yesterday once more
    assert (old.n_present, old.n_superseded) == (2, 1)
    assert ledger.entries()["cost"].sum() == 124


def test_a_correction_by_hand_survives_the_same_import(ledger):
    ledger.import_table(TABLE, key="invoice")
    ledger.correct(1, cost=11)
    assert ledger.import_table(TABLE, key="invoice", on_change="correct").n_present == 3
    assert ledger.entries()["cost"].tolist() == [20.0, 5.0, 11.0]
    ledger.import_table(TABLE.assign(cost=[12.0, 20, 5]), key="invoice", on_change="correct")
    assert sorted(ledger.entries()["cost"]) == [5.0, 12.0, 20.0]


def test_an_import_is_all_or_nothing(ledger):
    ledger.import_table(TABLE, key="invoice")
    ledger.retract(2, note="gone")
    changed = pd.concat([TABLE.assign(cost=[10.0, 7.0, 5.0]), TABLE.head(1).assign(invoice=15, segment="other")])
    with pytest.raises(LedgerError, match="retraction"):  # the second row was retracted by hand
        ledger.import_table(changed, key="invoice", on_change="correct")
    assert len(ledger) == 4
    assert ledger.add(segment="other", action="mail", period="2024-01", cost=1) > 0
    assert set(ledger.entries()["segment"]) == {"loyal", "other", None}


def test_keys_of_several_columns_and_names_of_columns(ledger):
    table = pd.DataFrame({"shop": [1, 1, 2], "day": [1, 2, 1], "month": ["2024-01"] * 3, "net": [1, 2, 3]})
    names = {"period": "month", "cost": "net"}
    assert ledger.import_table(table, key=["shop", "day"], columns=names).n_added == 3
    assert ledger.import_table(table, key=["shop", "day"], columns=names).n_present == 3
    with pytest.raises(LedgerError, match=r"'shop' does not tell rows apart: '1'"):
        ledger.import_table(table, key="shop", columns=names)


def test_columns_that_are_not_taken_are_named(ledger):
    result = ledger.import_table(TABLE)
    assert "'invoice'" in result.warnings[0]


def test_an_import_of_many_cells(ledger):
    table = pd.DataFrame({"segment": [f"s{i % 200}" for i in range(600)], "period": "2024-01", "cost": 1.0})
    ledger.import_table(table)
    ledger.add(segment="s7", period="2024-01", cost=1.0)
    cells = ledger.cells().set_index("segment")["cost"]
    assert len(cells) == 200
    assert cells["s7"] == 4


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_tables_of_other_libraries(path, kind):
    library = pytest.importorskip(kind)
    table = library.from_pandas(TABLE) if kind == "polars" else library.Table.from_pandas(TABLE)
    with ReturnLedger(path) as ledger:
        ledger.import_table(table, key="invoice")
        assert ledger.import_table(TABLE, key="invoice").n_present == 3


def test_decimals_dates_and_ids_that_became_floats(path):
    table = pd.DataFrame(
        {
            "period": [dt.date(2024, 1, 31), pd.Timestamp("2024-01-31 15:00")],
            "segment": [3.0, None],
            "cost": [decimal.Decimal("1.10"), None],
            "outcome": [None, 2],
        }
    )
    with ReturnLedger(path) as ledger:
        ledger.import_table(table)
        assert ledger.entries()["period"].tolist() == ["2024-01-31"] * 2
        assert ledger.entries()["segment"].tolist() == ["3", None]
        assert ledger.cells()["cost"].sum() == 1.1


# ------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"cost": 1}, TypeError, "period"),
        ({"period": None, "cost": 1}, ValueError, "period is missing"),
        ({"period": " ", "cost": 1}, ValueError, "period is empty"),
        ({"period": 1.5, "cost": 1}, TypeError, "period must be"),
        ({"period": "p"}, ValueError, "at least one of"),
        ({"period": "p", "cost": float("inf")}, ValueError, "cost must be finite"),
        ({"period": "p", "cost": True}, TypeError, "cost must be a number"),
        ({"period": "p", "cost": "5"}, TypeError, "cost must be a number"),
        ({"period": "p", "effort": -1}, ValueError, "effort cannot be negative"),
        ({"period": "p", "cost": 1, "arm": "contrl"}, ValueError, "Did you mean 'control'"),
        ({"period": "p", "cost": 1, "segment": 1.5}, TypeError, "segment must be a text"),
        ({"period": "p", "cost": 1, "key": ""}, LedgerError, "import key"),
    ],
)
def test_entries_that_are_refused(path, fields, error, words):
    with ReturnLedger(path) as ledger:
        with pytest.raises(error, match=words):
            ledger.add(**fields)
        assert len(ledger) == 0


@pytest.mark.parametrize(
    ("table", "options", "error", "words"),
    [
        (TABLE.drop(columns="period"), {}, ColumnError, "missing: 'period'"),
        (TABLE, {"key": "invoce"}, ColumnError, r"'invoce' \(nearest: 'invoice'\)"),
        (TABLE, {"columns": {"price": "cost"}}, ColumnError, "not 'price'"),
        (TABLE, {"on_change": "ignore"}, ValueError, "on_change"),
        (TABLE.assign(cost=[1, np.inf, 2]), {}, ValueError, "row 1"),
        (TABLE.assign(cost=None, outcome=None), {}, ValueError, "row 0"),
        (TABLE.assign(cost=["1", "2", "3"]), {}, TypeError, "row 0"),
        (TABLE.assign(invoice=[1, None, 2]), {"key": "invoice"}, LedgerError, "row 1"),
        ([1, 2], {}, TypeError, "frame must be a dataframe"),
    ],
)
def test_tables_that_are_refused(path, table, options, error, words):
    with ReturnLedger(path) as ledger:
        with pytest.raises(error, match=words):
            ledger.import_table(table, **options)
        assert len(ledger) == 0


def test_corrections_of_what_is_no_field(path):
    with ReturnLedger(path) as ledger:
        ledger.add(period="p", cost=1)
        with pytest.raises(TypeError, match="not 'price'"):
            ledger.correct(1, price=3)


# ------------------------------------------------------------------ append-only
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET cost = 0",
        "DELETE FROM ledger_entries",
        "UPDATE ledger_cells SET segment = 'x'",
        "DELETE FROM ledger_imports",
        "INSERT OR REPLACE INTO ledger_entries SELECT * FROM ledger_entries",
        "REPLACE INTO ledger_entries (cell, cost, note, corrects, void, recorded_at) VALUES (1, 9, '', 1, 0, '')",
        "REPLACE INTO ledger_cells SELECT cell, 'x', action, period, arm, unit FROM ledger_cells",
        "UPDATE ledger_meta SET value = '9'",
    ],
)
def test_the_file_refuses_changes(path, statement):
    with ReturnLedger(path) as ledger:
        ledger.add(period="p", segment="a", cost=1)
        ledger.correct(1, cost=2)
        ledger.import_table(pd.DataFrame({"period": ["p"], "cost": [1]}))
        before = ledger.entries(history=True)
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()
    with ReturnLedger(path) as ledger:
        pd.testing.assert_frame_equal(ledger.entries(history=True), before)


def test_the_database_of_a_team_refuses_changes(postgres):
    import sqlalchemy

    with ReturnLedger(postgres) as ledger:
        ledger.add(period="p", cost=1)
    engine = sqlalchemy.create_engine(postgres)
    for statement in ("UPDATE ledger_entries SET cost = 0", "DELETE FROM ledger_cells", "TRUNCATE ledger_imports"):
        with engine.connect() as connection, pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"):
            connection.exec_driver_sql(statement)
    engine.dispose()


# ------------------------------------------------------------------ files that are no ledger, or damaged
def filled(path, n=200):
    with ReturnLedger(path) as ledger:
        ledger.import_table(pd.DataFrame({"period": [f"p{i}" for i in range(n)], "cost": 1.0, "note": "x" * 200}))


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.3, 0.6, 0.95])
def test_a_file_that_was_cut_off(path, share):
    filled(path)
    whole = path.read_bytes()
    cut = whole[: int(len(whole) * share)]
    path.write_bytes(cut)
    with pytest.raises(LedgerError, match="bytes"):
        ReturnLedger(path)
    assert path.read_bytes() == cut  # not touched


def test_pages_that_were_overwritten(path):
    filled(path)
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 12] = b"\xff" * 4096 * 9
    path.write_bytes(data)

    def read():
        with ReturnLedger(path) as ledger:
            ledger.cells()
            ledger.entries(history=True)

    with pytest.raises(LedgerError, match="cannot be read as a ledger"):  # at the first use of the pages
        read()


@pytest.mark.parametrize("content", [b"customer_id;amount\n1;2\n" * 100, b"PK\x03\x04" + bytes(500)])
def test_a_file_of_another_program(path, content):
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"is no ledger.*file is not a database|file is not a database"):
        ReturnLedger(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_named_and_left_alone(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE orders (id)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"database of something else \(tables: 'orders'\)"):
        ReturnLedger(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_ledger_of_a_later_version(path):
    filled(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(LedgerError, match="of version 2; this release"):
        ReturnLedger(path)


def test_check_finds_missing_triggers(path):
    filled(path)
    with ReturnLedger(path) as ledger:
        assert ledger.check() == ()
        connection = sqlite3.connect(path)
        connection.execute(f"DROP TRIGGER {next(iter(TRIGGERS))}")
        connection.close()
        assert "triggers that refuse changes are gone" in ledger.check()[0]


def test_paths_that_cannot_be(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        ReturnLedger(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        ReturnLedger(tmp_path / "nowhere" / "returns.db")
    with pytest.raises(ValueError, match="in memory"):
        ReturnLedger(":memory:")
    with pytest.raises(ValueError, match="timeout"):
        ReturnLedger(tmp_path / "a.db", timeout=-1)


def test_urls_that_cannot_be():
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    with pytest.raises(LedgerError, match="not memory"):
        ReturnLedger("sqlite://")
    with pytest.raises(LedgerError, match="no SQLAlchemy URL"):
        ReturnLedger("://")
    with pytest.raises(LedgerError, match="SQLite or PostgreSQL, not in mysql"):
        ReturnLedger("mysql://user:secret@host/db")


def test_no_password_in_messages(monkeypatch):
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    with pytest.raises(LedgerError) as caught:
        ReturnLedger("postgresql+psycopg://user:secret@127.0.0.1:1/nowhere")
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_url_without_sqlalchemy(monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ImportError, match=r"customer-segments\[sqlalchemy\]"):
        ReturnLedger("sqlite:///x.db")


# ------------------------------------------------------------------ as an object
def test_pickled_by_path_or_refused(path, postgres):
    ledger = ReturnLedger(path, timeout=7)
    ledger.add(period="p", cost=1)
    other = pickle.loads(pickle.dumps(ledger))
    assert other.timeout == 7
    assert other.add(period="p", cost=1) == 2
    assert len(ledger) == 2
    with ReturnLedger(postgres) as team, pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(team)


def test_closed_and_used_again(place):
    with ReturnLedger(place) as ledger:
        ledger.add(period="p", cost=1)
    assert len(ledger) == 1
    assert bool(ledger)
    ledger.close()
    ledger.close()


def test_nothing_stays_beside_the_file(path):
    with ReturnLedger(path) as ledger:
        ledger.add(period="p", cost=1)
    assert [file.name for file in path.parent.iterdir()] == ["returns.db"]


def test_after_a_fork_each_process_has_its_own_connection(path):
    ledger = ReturnLedger(path)
    ledger.add(period="p", cost=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # Python 3.12 warns of forking with threads
        child = multiprocessing.get_context("fork").Process(target=lambda: ledger.add(period="p", cost=2))
        child.start()
        child.join(30)
    assert child.exitcode == 0
    ledger.add(period="p", cost=3)
    assert sorted(ledger.entries()["cost"]) == [1, 2, 3]
    assert ledger.check() == ()


# ------------------------------------------------------------------ several writers
def test_threads_share_a_ledger(ledger):
    def write(name):
        for i in range(15):
            ledger.add(segment=name, period="p", cost=i, key=f"{name} {i}")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.cells().set_index("segment")["cost"].to_dict() == {"a": 105, "b": 105, "c": 105}


def test_a_writer_that_holds_the_ledger_too_long(path):
    ledger = ReturnLedger(path, timeout=0.2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerBusyError, match=r"another process held the ledger for 0\.2 s"):
        ledger.add(period="p", cost=1)
    assert len(ledger) == 0  # readers do not wait
    other.execute("ROLLBACK")
    other.close()
    assert ledger.add(period="p", cost=1) == 1


def test_a_team_member_who_holds_the_ledger_too_long(postgres):
    import sqlalchemy

    engine = sqlalchemy.create_engine(postgres)
    with ReturnLedger(postgres, timeout=0.2) as ledger, engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE ledger_entries IN SHARE ROW EXCLUSIVE MODE")
        with pytest.raises(LedgerBusyError, match="another writer held the ledger"):
            ledger.add(period="p", cost=1)
    engine.dispose()


def test_two_writers_that_are_killed_lose_nothing_and_double_nothing(place):
    """Real processes and SIGKILL; the benchmark, at a smaller size."""
    command = [sys.executable, "benchmarks/bench_ledger.py", "--only", "kills", "--writes", "120", "--kills", "5"]
    run = subprocess.run([*command, "--place", str(place)], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("PASS") == 6
    with ReturnLedger(place) as ledger:
        assert ledger.cells()["cost"].sum() == 2 * sum(range(120))


def forked(path, start, times, limit=60):
    """Run `start` (a statement) in so many processes at once; return their exit codes."""
    script = (
        "import os, sys, time, pandas as pd\nfrom segmentation.monitoring import ReturnLedger\n"
        f"path = {str(path)!r}\n"
        f"children = []\nfor i in range({times}):\n    child = os.fork()\n    if not child:\n"
        f"        {start}\n        os._exit(0)\n    children.append(child)\n"
        "print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=limit)
    return run.stdout.strip() or run.stderr


def test_processes_that_make_the_same_ledger_at_once(path):
    """None may see a half-made file, nor replace that of another."""
    assert forked(path, "ReturnLedger(path).add(period='p', cost=1)", 6) == "[0, 0, 0, 0, 0, 0]"
    with ReturnLedger(path) as ledger:
        assert len(ledger) == 6


def test_an_import_that_is_killed_is_there_wholly_or_not(path):
    table = pd.DataFrame({"period": ["p"] * 30_000, "cost": 1.0})
    ReturnLedger(path).close()
    # the alarm kills at a moment that differs from child to child: while rows are read, written, committed
    start = (
        "import signal; signal.setitimer(signal.ITIMER_REAL, 0.15 * (i + 1)); "
        "ReturnLedger(path).import_table(pd.DataFrame({'period': ['p'] * 30_000, 'cost': 1.0 + i}))"
    )
    codes = forked(path, start, 6)
    assert "-14" in codes  # SIGALRM, whose default is to end the process at once
    with ReturnLedger(path) as ledger:
        assert ledger.check() == ()
        sizes = ledger.entries().groupby("cost").size()
        assert set(sizes) <= {30_000}
        ledger.import_table(table)
        ledger.import_table(table)
        assert (ledger.entries()["cost"] == 1).sum() == 30_000
