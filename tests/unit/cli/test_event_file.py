from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meterline.cli import event_file
from meterline.cli.client import CommandError
from meterline.cli.event_file import Mapping

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CSV = (
    "at,who,tokens,region\n2026-11-01 10:00:00,acme,12.50,eu\n2026-11-02T10:00:00+02:00,globex,7,\n"
)
MAPPING = Mapping(customer="who", event_type="=completion", timestamp="at")


def events(path: Path, mapping: Mapping = MAPPING, **options: object) -> list[dict[str, object]]:
    return [line.event for line in event_file.read(path, mapping, now=NOW, **options)]  # type: ignore[arg-type]


@pytest.fixture
def usage_csv(tmp_path: Path) -> Path:
    path = tmp_path / "usage.csv"
    path.write_text(CSV)
    return path


def test_columns_become_events_and_the_rest_properties(usage_csv: Path) -> None:
    first, second = events(usage_csv)
    assert first["customer_id"] == "acme"
    assert first["event_type"] == "completion"
    assert first["timestamp"] == "2026-11-01T10:00:00Z"  # without a zone: UTC
    assert first["properties"] == {"tokens": "12.50", "region": "eu"}  # text keeps decimals exact
    assert second["timestamp"] == "2026-11-02T08:00:00Z"
    assert second["properties"] == {"tokens": "7"}  # an empty cell is no property


def test_chosen_properties_leave_the_others_out(usage_csv: Path) -> None:
    mapping = Mapping("who", "=completion", "at", None, {"n": "tokens", "tier": "=gold"})
    assert events(usage_csv, mapping)[0]["properties"] == {"n": "12.50", "tier": "gold"}


def test_made_ids_repeat_and_do_not_depend_on_the_shift(usage_csv: Path) -> None:
    plain = [one["transaction_id"] for one in events(usage_csv)]
    shifted = events(usage_csv, shift=timedelta(days=5))
    assert plain == [one["transaction_id"] for one in shifted]
    assert shifted[0]["timestamp"] == "2026-11-06T10:00:00Z"
    assert len(set(plain)) == 2
    assert all(len(str(one)) <= 128 for one in plain)


def test_made_ids_differ_between_files_lines_and_mappings(usage_csv: Path, tmp_path: Path) -> None:
    twin = tmp_path / "other.csv"
    twin.write_text("at,who,tokens,region\n" + "2026-11-01 10:00:00,acme,12.50,eu\n" * 2)
    ids = {one["transaction_id"] for one in events(usage_csv) + events(twin)}
    remapped = events(twin, Mapping("who", "=other", "at"))
    assert len(ids) == 4
    assert ids.isdisjoint(one["transaction_id"] for one in remapped)
    assert events(twin, source="usage.csv")[0] == events(usage_csv)[0]


def test_a_transaction_id_of_the_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text(
        '{"transaction_id": "t1", "customer_id": "acme", "event_type": "call",'
        ' "timestamp": "2026-11-01T00:00:00Z", "properties": {"n": 1.10}}\n\n'
    )
    (event,) = events(path, Mapping())
    assert event["transaction_id"] == "t1"
    assert str(event["properties"]["n"]) == "1.10"  # type: ignore[index]


def test_the_latest_timestamp_is_found(usage_csv: Path) -> None:
    assert event_file.latest_timestamp(usage_csv, MAPPING) == datetime(2026, 11, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("at,who,tokens\nyesterday,acme,1\n", ["line 2", "'yesterday' is not a time"]),
        ("at,who,tokens\n2026-11-01,,1\n", ["line 2", "no value in the customer column 'who'"]),
        ("at,name\n2026-11-01,acme\n", ["line 2", "no customer column 'who'", "at, name"]),
        ("at,who,tokens\n2026-11-01,acme,1\n2026-11-01,acme\n", ["line 3", "3 columns"]),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(CommandError) as fault:
        events(path)
    assert all(word in str(fault.value) for word in words), fault.value


def test_broken_json_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.ndjson"
    path.write_text('{"customer_id": "a", "event_type": "b"}\n{oops\n')
    with pytest.raises(CommandError, match="line 2: not JSON"):
        events(path, Mapping())


def test_an_absent_file_is_a_plain_fault(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        events(tmp_path / "none.csv")
