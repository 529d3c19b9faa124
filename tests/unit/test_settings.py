"""Settings: flags before the environment before defaults; all faults at once; no secrets shown."""

from __future__ import annotations

import pytest

from meterline.settings import InvalidSettings, Settings, settings_from

URL = "postgresql://meterline:hunter2@db/meterline"


def test_defaults() -> None:
    settings = settings_from({"METERLINE_DATABASE_URL": URL})
    assert settings == Settings(database_url=URL)
    assert settings.log_partitions == 8


def test_a_flag_wins_over_the_environment() -> None:
    environ = {"METERLINE_DATABASE_URL": URL, "METERLINE_HTTP_PORT": "9000"}
    assert settings_from(environ).http_port == 9000
    assert settings_from(environ, http_port=9001).http_port == 9001
    assert settings_from(environ, http_port=None).http_port == 9000


def test_a_child_gets_the_same_settings() -> None:
    settings = Settings(URL, http_host="::1", http_port=1, log_partitions=3, workers=2)
    assert settings_from(settings.as_environment()) == settings


def test_every_fault_is_named_at_once() -> None:
    environ = {
        "METERLINE_DATABASE_URL": "sqlite:///x",
        "METERLINE_HTTP_PORT": "http",
        "METERLINE_WORKERS": "0",
        "METERLINE_HTTP_HOST": "http://x",
    }
    with pytest.raises(InvalidSettings) as caught:
        settings_from(environ)
    for name in environ:
        assert name in str(caught.value)


def test_a_missing_database_is_said() -> None:
    with pytest.raises(InvalidSettings, match="METERLINE_DATABASE_URL is needed"):
        settings_from({})


def test_passwords_are_never_shown() -> None:
    assert "hunter2" not in repr(Settings(URL))
    with pytest.raises(InvalidSettings) as caught:
        settings_from({"METERLINE_DATABASE_URL": "mysql://me:hunter2@db/x"})
    assert "hunter2" not in str(caught.value)
