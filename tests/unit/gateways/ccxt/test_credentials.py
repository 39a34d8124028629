"""Keys: from where they come, and that they are in nothing that is shown."""

import pytest

from libra.errors import ConfigError
from libra.gateways.ccxt import Credentials, read_secret
from libra.gateways.ccxt.errors import explain


def test_a_key_comes_from_the_environment_or_from_a_file_named_there(tmp_path):
    file = tmp_path / "key"
    file.write_text("from-a-file\n")
    assert read_secret("KEY", {"KEY": " plain "}) == "plain"
    assert read_secret("KEY", {"KEY_FILE": str(file)}) == "from-a-file"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "neither KEY nor KEY_FILE"),
        ({"KEY": "hidden-key", "KEY_FILE": "/a"}, "both set"),
        ({"KEY_FILE": "/no/such/file"}, "No such file"),
    ],
)
def test_what_is_wrong_with_a_key_is_said_without_it(environ, said):
    with pytest.raises(ConfigError, match=said) as refused:
        read_secret("KEY", environ)
    assert "hidden-key" not in str(refused.value)


def test_an_error_is_shown_without_keys_signatures_and_tokens():
    keys = Credentials("the-api-key", "the-secret", "the-password")
    url = "https://x/api/v3/order?symbol=BTCUSDT&signature=0a1b2c&listenKey=lk123"
    text = explain(RuntimeError(f"GET {url} the-api-key the-secret {{'apiKey': 'other', 'x': 1}} the-password"), keys)
    for hidden in ("the-api-key", "the-secret", "the-password", "0a1b2c", "lk123", "other"):
        assert hidden not in text
    assert "symbol=BTCUSDT" in text
    assert repr(keys) == "Credentials(***)"
