import pytest

from meterline.web import session

SECRET = b"a secret of the process"
HASH = bytes(range(32))
COOKIE = session.seal(SECRET, HASH, expires_at=1000)


def test_a_cookie_opens_until_its_end() -> None:
    assert session.unseal(SECRET, COOKIE, now=999) == HASH
    assert session.unseal(SECRET, COOKIE, now=1000) is None


def test_another_secret_opens_nothing() -> None:
    assert session.unseal(b"another", COOKIE, now=0) is None


@pytest.mark.parametrize("place", range(0, len(COOKIE), 7))
def test_a_changed_cookie_opens_nothing(place: int) -> None:
    changed = COOKIE[:place] + ("0" if COOKIE[place] != "0" else "1") + COOKIE[place + 1 :]
    assert session.unseal(SECRET, changed, now=0) is None


@pytest.mark.parametrize("cookie", ["", ".", "..", "a.b.c", "é.1.ü", "x" * 5000])
def test_nonsense_opens_nothing(cookie: str) -> None:
    assert session.unseal(SECRET, cookie, now=0) is None


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://a", "host": "a"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": "http://meter.test:80", "host": "meter.test:80"}, True),
        ({"origin": "http://evil.test", "host": "meter.test"}, False),
        ({"origin": "null", "host": "meter.test"}, False),
        ({"host": "meter.test"}, True),
    ],
)
def test_forms_of_other_sites_are_told_apart(headers: dict[str, str], same: bool) -> None:
    assert session.is_same_origin(headers) is same


def test_the_secret_is_shared_or_made() -> None:
    given = {session.SECRET_VARIABLE: "0123456789abcdef"}
    assert session.secret_from(given) == session.secret_from(given)
    assert session.secret_from({}) != session.secret_from({})
    with pytest.raises(ValueError, match="at least 16"):
        session.secret_from({session.SECRET_VARIABLE: "short"})
