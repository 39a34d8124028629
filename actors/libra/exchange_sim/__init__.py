"""A simulated exchange: a process of its own that speaks Binance's protocols, spot and USD-M, to unmodified clients.

Native engines match the orders (`libra_core.ExchangeCore`); everything else of a venue is here. It imports nothing of
Libra's own accounting, on purpose: it is the other side's truth. Data goes this way:

request -> `server` -> `weights`, `signing` -> `rest_*` or `ws_api` -> `spot`, `linear` -> `floor` -> engine
engine -> `floor` -> `trading` (orders, ledgers) -> `user_streams`, and -> `tape`, `market_streams` -> every client

| file | what |
| --- | --- |
| `settings`, `markets`, `accounts`, `clock`, `numbers`, `errors` | what is set, traded and said |
| `floor` | the engines, and who is told what they do |
| `venue`, `orders`, `trading`, `spot`, `linear` | the life of an order; what differs between the two sides |
| `ledger_spot`, `ledger_linear`, `funding`, `treasury` | balances, positions, payments, money that moves by no trade |
| `filters`, `signing`, `weights` | what a request has to be |
| `tape`, `frames`, `market_streams`, `user_streams` | candles and tickers, frames, who reads them |
| `endpoints`, `side`, `params`, `paging` | what an endpoint is, and what a request has to be before one answers |
| `rest_market`, `rest_spot`, `rest_linear`, `rest_linear_account`, `rest_wallet`, `algo_orders`, `ws_api` | endpoints |
| `server`, `sockets`, `clients` | connections |
| `faults`, `control` | what a test may break, and what it may look at |
"""

from libra.exchange_sim.settings import SimSettings, load_settings

__all__ = ["SimSettings", "load_settings"]
