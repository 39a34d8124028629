"""Any venue that CCXT knows, as a gateway: live, on its test network, or redirected to a simulated one.

CCXT does the transport, the signing and the names; what decides about money stays here:

- `guard`: every request takes its turn by the venue's rate rules (`rules`), every answer is looked at, no key is shown.
- `venue`: the connection, where it goes, and the venue's clock. `listing`: whether the profile's instruments are its.
- `orders`, `errors`: what is sent once, what proves that it was refused, and what is asked.
- `user_stream`, `reports`: what becomes of orders, from raw frames or trades. `streams`, `books`: market data.
- `account`, `account_spot`, `account_linear`: the whole account, as it is held against ours.
- `gateway` joins them, `shown` where the account can be shown; `actors` runs it.

Data goes from `guard` to `streams` and `user_stream`, and out by `gateway`. CCXT itself is loaded by the first
`require_venue`.
"""

from libra.gateways.ccxt.credentials import Credentials, read_secret
from libra.gateways.ccxt.gateway import CcxtGateway
from libra.gateways.ccxt.options import CcxtOptions
from libra.gateways.ccxt.venue import make_turnstile, require_venue

__all__ = ["CcxtGateway", "CcxtOptions", "Credentials", "make_turnstile", "read_secret", "require_venue"]
