"""Who signed, when, and how often: signatures, windows of time, weights and bans."""

import base64
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from libra.exchange_sim.accounts import make_account
from libra.exchange_sim.errors import ApiError
from libra.exchange_sim.params import Params
from libra.exchange_sim.settings import AccountSettings, LimitSettings
from libra.exchange_sim.signing import Signatures, signed_query, split_signature
from libra.exchange_sim.weights import Budgets

from .conftest import START_MS, Stage

# The example of Binance's documentation, "SIGNED endpoint examples for POST /api/v3/order".
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
QUERY = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
BODY = "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
SIGNATURES = {
    (f"{QUERY}&{BODY}", ""): "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    ("", f"{QUERY}&{BODY}"): "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    (QUERY, BODY): "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
}


def signatures(**credentials: str) -> tuple[Signatures, Any]:
    account = make_account(0, AccountSettings(name="a", api_key="key", **credentials))
    return Signatures([account]), account


@pytest.mark.parametrize("parts", SIGNATURES)
def test_the_documented_examples_verify(parts: tuple[str, str]):
    checks, account = signatures(secret=SECRET)
    query, body = parts
    signed = f"{body}&signature={SIGNATURES[parts]}" if body else f"{query}&signature={SIGNATURES[parts]}"
    query, body = (query, signed) if body else (signed, body)
    payload, signature = split_signature(query, body)
    checks.verify(account, payload, signature, Params.of_query(query, body), 1_499_827_319_559)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=4))
def test_a_changed_request_does_not_verify(at: int, noise: bytes):
    checks, account = signatures(secret=SECRET)
    payload = bytearray(f"{QUERY}&{BODY}".encode())
    place = at % len(payload)
    changed = payload[:place] + noise + payload[place + 1 :]
    good = SIGNATURES["", f"{QUERY}&{BODY}"]
    params = Params.of_query(BODY)
    if changed != payload:
        with pytest.raises(ApiError, match="-1022"):
            checks.verify(account, changed.decode("latin-1"), good, params, 1_499_827_319_559)
    else:
        checks.verify(account, changed.decode(), good, params, 1_499_827_319_559)


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(["symbol", "price", "side", "b"]), st.text("abc123.", max_size=9)))
def test_ed25519_signs_the_same_texts(values: dict[str, str]):
    key = Ed25519PrivateKey.generate()
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    checks, account = signatures(public_key=pem)
    values |= {"timestamp": str(START_MS), "apiKey": "key"}
    payload, _ = signed_query(values)
    assert payload.split("&") == sorted(payload.split("&"), key=lambda pair: pair.split("=")[0])
    signature = base64.b64encode(key.sign(payload.encode())).decode()
    checks.verify(account, payload, signature, Params(values), START_MS)
    other = base64.b64encode(Ed25519PrivateKey.generate().sign(payload.encode())).decode()
    for wrong in (other, signature[:-4], "no base64!", "é"):
        with pytest.raises(ApiError, match="-1022"):
            checks.verify(account, payload, wrong, Params(values), START_MS)


@pytest.mark.parametrize(
    ("timestamp", "window", "code"),
    [
        (0, None, 0),
        (-5_000, None, 0),
        (-5_001, None, -1021),
        (999, None, 0),
        (1_000, None, -1021),
        (-9_000, 10_000, 0),
        (-100, 50, -1021),
        (0, 60_001, -1131),
    ],
)
def test_a_request_is_good_for_its_window(timestamp: int, window: int | None, code: int):
    stage = Stage()
    params = {"timestamp": START_MS + timestamp, **({} if window is None else {"recvWindow": window})}
    if code:
        with pytest.raises(ApiError) as caught:
            stage.ask("alice", "GET", "spot/account", **params)
        assert caught.value.code == code
    else:
        assert stage.ask("alice", "GET", "spot/account", **params)["canTrade"]


def test_weight_is_counted_refused_and_banned():
    budgets = Budgets(LimitSettings(spot_weight=100, ban_after=2, ban_s=60), spot=True)
    now = START_MS
    assert [budgets.spend("ip", 40, now) for _ in range(2)] == [40, 80]
    assert budgets.headers("ip", None, now)["X-MBX-USED-WEIGHT-1M"] == "80"
    assert budgets.spend("other", 1, now) == 1
    for _ in range(2):
        with pytest.raises(ApiError) as caught:
            budgets.spend("ip", 40, now + 15_500)
        assert (caught.value.http, caught.value.code) == (429, -1003)
        assert caught.value.retry_after_s == 60 - (START_MS // 1_000) % 60 - 15
    with pytest.raises(ApiError) as caught:
        budgets.spend("ip", 1, now + 16_000)
    assert (caught.value.http, caught.value.retry_after_s) == (418, 60)
    with pytest.raises(ApiError, match="banned until"):
        budgets.spend("ip", 1, now + 75_999)
    assert budgets.spend("ip", 7, now + 76_000) == 7


def test_a_new_minute_forgives():
    budgets = Budgets(LimitSettings(spot_weight=10, ban_after=1), spot=True)
    for minute in range(5):
        now = START_MS + minute * 60_000
        assert budgets.spend("ip", 10, now) == 10
        with pytest.raises(ApiError, match="-1003"):
            budgets.spend("ip", 1, now)


def test_orders_are_counted_by_account():
    limits = LimitSettings(linear_orders_10s=2, linear_orders_minute=3)
    stage = Stage(limits=limits)
    for _ in range(2):
        stage.order("alice", "BUY", "0.1", "60000", where="linear")
    with pytest.raises(ApiError) as caught:
        stage.order("alice", "BUY", "0.1", "60000", where="linear")
    assert (caught.value.code, caught.value.http, caught.value.retry_after_s) == (-1015, 429, 10)
    stage.order("bob", "BUY", "0.1", "60000", where="linear")
    stage.wait(10)
    # The one that was refused counted, too.
    with pytest.raises(ApiError, match="per 1 MINUTE"):
        stage.order("alice", "BUY", "0.1", "60000", where="linear")


def test_accounts_begin_with_what_they_were_given():
    account = make_account(3, AccountSettings(name="a", api_key="k", secret="s", spot={"X": Decimal("0.00000001")}))
    assert (account.number, account.spot.free) == (5, {"X": 1})
