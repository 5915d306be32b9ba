"""Pseudonyms: keyed, stable, typed, refused under a weak key."""

import hashlib
import hmac
import secrets
import subprocess
import sys
import uuid

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.exceptions import ColumnError
from segmentation.governance import _pseudonyms, pseudonymize

KEY = "1f0c5a9e7b3d4826a1e0937cc5d84b6f"


def by_hand(message, key=KEY, context=b""):
    """RFC 2104 written out: two rounds of SHA-256 with a padded key."""
    block = key.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block))
    inner.update(b"customer-segments pseudonym 1|" + str(len(context)).encode() + b"|" + context + b"|" + message)
    return hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner.digest()).hexdigest()


def test_equals_the_standard_written_out():
    assert pseudonymize(["c-17"], KEY)[0] == by_hand(b"text:c-17")[:32]
    assert pseudonymize([17], KEY, length=64, context="post")[0] == by_hand(b"number:17", context=b"post")
    assert hmac.new(b"k", b"m", "sha256").hexdigest() == _pseudonyms._digest(b"k", b"m")


def test_key_and_context_change_it_and_the_machine_does_not():
    first = pseudonymize(["c-17"], KEY)[0]
    assert first != pseudonymize(["c-17"], KEY[::-1])[0]
    assert first != pseudonymize(["c-17"], KEY, context="post")[0]
    code = f"from segmentation.governance import pseudonymize; print(pseudonymize(['c-17'], {KEY!r})[0])"
    for seed in ("0", "1"):  # another process, with other hashes of Python's own
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert run.stdout.strip() == first


def test_types():
    one = pseudonymize([1, "1", 1.0, np.int8(1), b"1", uuid.UUID(int=1)], KEY)
    assert one[0] == one[2] == one[3]
    assert len(set(one)) == 4
    assert pseudonymize([b"a".decode()], KEY)[0] == pseudonymize(pd.Series(["a"], dtype="category"), KEY)[0]


@pytest.mark.parametrize("wrong", [1.5, True, pd.Timestamp("2026-01-01"), (1, 2)])
def test_what_is_no_id(wrong):
    with pytest.raises(ColumnError, match="an id is a text, a whole number"):
        pseudonymize(pd.Series([wrong], dtype=object), KEY)


@given(st.lists(st.one_of(st.text(max_size=8), st.integers()), unique=True, max_size=40))
@settings(max_examples=50, deadline=None)
def test_different_ids_have_different_pseudonyms(ids):
    made = pseudonymize(ids, KEY)
    assert len(set(made)) == len(ids)
    assert all(len(one) == 32 for one in made)


def test_kinds_in_and_out():
    ids = pd.Series(["a", None, "b", "a"], name="who", index=[5, 6, 7, 8])
    made = pseudonymize(ids, KEY)
    assert made.name == "who"
    assert made.index.tolist() == [5, 6, 7, 8]
    assert made.isna().tolist() == [False, True, False, False]
    assert made[5] == made[8] != made[7]
    index = pseudonymize(pd.Index(["a"], name="customer_id"), KEY)
    assert index.name == "customer_id"
    assert index[0] == made[5]


def test_tables():
    orders = pd.DataFrame({"customer_id": [7, 8, 7], "amount": [1.0, 2.0, 3.0], "friend": [8, 7, 9]})
    made, mapping = pseudonymize(orders, KEY, columns=["customer_id", "friend"], return_mapping=True)
    assert mapping.index.tolist() == [7, 8, 9]
    assert made["customer_id"].tolist() == [mapping[7], mapping[8], mapping[7]]
    assert made["friend"].tolist() == [mapping[8], mapping[7], mapping[9]]
    assert orders["customer_id"].tolist() == [7, 8, 7]
    assigned = pd.DataFrame({"segment": ["a", "b"]}, index=pd.Index([7, 8], name="customer_id"))
    assigned.attrs["examples"] = [7]
    again = pseudonymize(assigned, KEY)
    assert again.index.tolist() == [mapping[7], mapping[8]]
    assert again.attrs == {}
    both = orders.set_index(["customer_id", "friend"])
    assert pseudonymize(both, KEY).index[0] == (mapping[7], 8)
    pl = pytest.importorskip("polars")
    pd.testing.assert_frame_equal(
        pseudonymize(pl.from_pandas(orders), KEY)[["amount"]], pseudonymize(orders, KEY)[["amount"]]
    )


def test_a_table_that_still_has_the_ids_is_refused():
    orders = pd.DataFrame({"customer_id": ["a", "b"], "login": ["a", "b"]})
    with pytest.raises(ColumnError, match="'login' repeats the ids"):
        pseudonymize(orders, KEY)
    with pytest.raises(ColumnError, match=r"index 'login'.* repeats the ids"):
        pseudonymize(orders.set_index("login"), KEY)
    with pytest.raises(ColumnError, match="nearest: 'customer_id'"):
        pseudonymize(orders, KEY, columns="custmer_id")


WEAK = {
    "missing": None,
    "empty": "",
    "short": "a8Jk2-x9",
    "31 characters": KEY[:31],
    "one letter": "a" * 64,
    "repeated": "Xy7_pQ2!" * 5,
    "repeated and cut": ("Xy7_pQ2!" * 6)[:43],
    "sequence": "0123456789abcdefghijklmnopqrstuvwxyz",
    "bytes in order": bytes(range(40)),
    "common": "password-password-secret-qwerty-1",
    "common and a little": "secret_changeme_password_7fA2_xB91",
    "a sentence": "this is the key of our customer table",
    "another": "the quick brown fox jumps over lazy dogs",
    "capitals": "Correct-Horse-Battery-Staple-And-Others",
    "letters": "correcthorsebatterystaplecorrecthors",
    "few letters": "abababbaabbababbabaabbabaabbabababba",
}


@pytest.mark.parametrize("name", WEAK)
def test_weak_keys_are_refused_and_not_repeated(name):
    with pytest.raises(ValueError, match="key") as caught:
        pseudonymize(["a"], WEAK[name])
    if WEAK[name]:
        assert str(WEAK[name]) not in str(caught.value)


def test_random_keys_pass():
    for _ in range(300):
        for key in (secrets.token_hex(16), secrets.token_hex(32), secrets.token_urlsafe(32), secrets.token_bytes(32)):
            _pseudonyms.check_key(key)
    _pseudonyms.check_key("NXkqJrsGmVQ-FsaIXUWakMjzXgudrRmJusWicmfaQyA")  # random letters without a digit are no words


def test_collisions_are_found(monkeypatch):
    monkeypatch.setattr(_pseudonyms, "_digest", lambda key, message: "0" * 64)
    with pytest.raises(ValueError, match="1 pseudonyms stand for more than one id"):
        pseudonymize(["a", "b"], KEY)


def test_settings():
    for length in (15, 65, 32.0, True):
        with pytest.raises(ValueError, match="length"):
            pseudonymize(["a"], KEY, length=length)
    with pytest.raises(ValueError, match="context"):
        pseudonymize(["a"], KEY, context=3)
    with pytest.raises(TypeError, match="sequence of ids"):
        pseudonymize("a", KEY)
    with pytest.raises(TypeError, match="sequence of ids"):
        pseudonymize(7, KEY)
