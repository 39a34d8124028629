"""The gateway against hand-written answers of Binance: what is sent, what is told of it, and what is asked."""

import asyncio
import gc
import time
from contextlib import suppress
from decimal import Decimal

import pytest
from tests.unit.gateways.ccxt.conftest import until

from libra.errors import GatewayError
from libra.gateways import ReportingGateway
from libra.gateways.budget import Urgency
from libra.gateways.ccxt import Credentials
from libra.gateways.ccxt.guard import urgent
from libra.gateways.protocol import ForeignExecution
from libra.model import Order

ID = "L" + "0123456789abcdef" * 2


def order(size="0.50000", price="100.00", **more):
    return Order("BTC/USDT@binance", "BUY", size, price=price, order_id=ID, **more)


async def told(gateway, count):
    stream = gateway.stream_reports()
    async with asyncio.timeout(5):
        return [await anext(stream) for _ in range(count)]


async def test_it_is_a_gateway_of_an_account(connect):
    gateway = await connect()
    assert isinstance(gateway, ReportingGateway)
    assert gateway.is_connected


async def test_an_order_goes_by_websocket_under_our_id_with_a_window(connect, venue):
    gateway = await connect(window_ms=4_000)
    assert await gateway.order(order()) == "1000"
    (sent,) = [params for what, params in venue.requests if what == "ws order.place"]
    assert (sent["newClientOrderId"], sent["quantity"], sent["price"]) == (ID, "0.5", "100")
    assert sent["recvWindow"] == 4_000
    (report,) = await told(gateway, 1)
    assert (report.order_id, report.status, report.venue_order_id) == (ID, "ACCEPTED", "1000")
    assert gateway.counters()["budget"]["used"]["spot.orders_10s/a"] >= 7, "the venue counts more than we sent"


async def test_an_order_goes_by_rest_where_the_socket_is_not_open(connect, venue):
    gateway = await connect(use_websocket_orders=False)
    await gateway.order(order(time_in_force="IOC"))
    (sent,) = [params for what, params in venue.requests if what == "REST order"]
    assert sent["recvWindow"] == "5000"
    assert (sent["newClientOrderId"], sent["timeInForce"], sent["type"]) == (ID, "IOC", "LIMIT")


async def test_an_order_does_not_wait_for_a_connection_to_be_made(connect, venue):
    gateway = await connect()
    for socket in venue.user_sockets:
        await socket.close()
    await until(lambda: not gateway.is_connected)
    await gateway.order(order())
    assert [what for what, _ in venue.requests if "order" in what] == ["REST order"]


async def test_an_order_into_a_half_open_socket_is_open_and_the_next_leaves_another_way(connect, venue):
    gateway = await connect(stale_after_ms=400)
    venue.is_half_open, venue.answers_pings = True, False
    with pytest.raises(GatewayError, match="answers no ping"):
        await gateway.order(order())
    assert [what for what, _ in venue.requests if "order" in what] == [], "it was lost, and did not leave again"
    venue.is_half_open, venue.answers_pings = False, True
    assert [report.status for report in await gateway.query_order(ID)] == ["NOT_FOUND"]
    await gateway.order(order())
    assert [what for what, _ in venue.requests if "order" in what] == ["REST order"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-2010, "Account has insufficient balance for requested action."),
        (-1013, "Filter failure: NOTIONAL"),
        (-1021, "Timestamp for this request is outside of the recvWindow."),
        (-2015, "Invalid API-key, IP, or permissions for action."),
    ],
)
async def test_what_the_venue_refuses_is_rejected_with_its_code_and_words(connect, venue, code, words):
    gateway = await connect()
    venue.on_order = lambda params: (400, {"code": code, "msg": words})
    assert await gateway.order(order()) is None
    (report,) = await told(gateway, 1)
    assert (report.status, report.reason, report.detail) == ("REJECTED", str(code), words)


async def test_an_order_that_the_venue_has_already_is_told_as_a_duplicate(connect, venue):
    gateway = await connect()
    venue.on_order = lambda params: (400, {"code": -2010, "msg": "Duplicate order sent."})
    await gateway.order(order())
    (report,) = await told(gateway, 1)
    assert (report.status, report.reason) == ("REJECTED", "DUPLICATE")


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (503, {"msg": "Service Unavailable"}),
        (504, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
        (400, {"code": -1006, "msg": "An unexpected response was received. Execution status unknown."}),
        (400, {"code": -1000, "msg": "An unknown error occured while processing the request."}),
        (400, {"code": -9999, "msg": "Something new"}),
    ],
)
async def test_whatever_proves_nothing_leaves_the_fate_open(connect, venue, status, answer):
    gateway = await connect(use_websocket_orders=False)
    venue.on_order = lambda params: (status, answer)
    with pytest.raises(GatewayError):
        await gateway.order(order())
    assert gateway._user._reports.empty()


async def test_a_size_that_the_venue_would_cut_is_not_sent(connect, venue):
    gateway = await connect()
    await gateway.order(Order("BTC/USDT@binance", "BUY", "0.123456", price="100.00", order_id=ID))
    (report,) = await told(gateway, 1)
    assert (report.status, report.reason) == ("REJECTED", "InvalidOrder")
    assert not [what for what, _ in venue.requests if "order" in what]


async def test_executions_come_from_frames_one_by_one_and_exactly(connect, venue):
    gateway = await connect()
    fill = {"l": "0.10000000", "L": "100.01000000", "n": "0.00000123", "N": "BNB", "m": True}
    await venue.user_event(**venue.report(ID, "PARTIALLY_FILLED", "TRADE", t=7, **fill))
    await venue.user_event(**venue.report(ID, "FILLED", "TRADE", t=8, **{**fill, "l": "0.40000000"}))
    await venue.user_event(**venue.report("somebody-else", "FILLED", "TRADE", t=9, **fill, i=2000))
    later = "L" + "fe" * 16
    await venue.user_event(**venue.report("web_cancel", "CANCELED", "CANCELED", C=later, i=3000))
    first, second, foreign, third = await told(gateway, 4)
    assert foreign == ForeignExecution("BTCUSDT", "somebody-else")
    assert (first.trade_id, first.price, first.size) == (7, Decimal("100.01"), Decimal("0.1"))
    assert (first.fee, first.fee_currency) == (Decimal("0.00000123"), "BNB")
    assert (second.trade_id, second.size) == (8, Decimal("0.4"))
    assert (third.order_id, third.status) == (later, "CANCELLED"), "of a cancel the order's own id is C"


async def test_a_connection_that_is_cut_ends_the_reports_with_an_error(connect, venue):
    gateway = await connect()
    for socket in venue.user_sockets:
        await socket.close()
    with pytest.raises(GatewayError):
        await told(gateway, 1)
    assert not gateway.is_connected


async def test_a_stream_that_is_refused_is_an_error_of_connect_and_of_nobody_else(connect, venue):
    unhandled = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context["message"]))
    venue.takes_sockets = False
    with pytest.raises(GatewayError, match="503"):
        await connect()
    await asyncio.sleep(0)
    gc.collect()
    assert unhandled == []


async def test_a_connection_that_answers_no_ping_is_taken_for_lost(connect, venue):
    venue.answers_pings = False
    gateway = await connect(stale_after_ms=300)
    with pytest.raises(GatewayError):
        await told(gateway, 1)


async def test_a_connection_that_nobody_pings_is_taken_for_lost(connect, venue):
    gateway = await connect(stale_after_ms=300)
    # As CCXT does when it resets a client whose socket stays open.
    gateway._venue.hooks.clients["orders"].ping_looper.cancel()
    with pytest.raises(GatewayError, match="silent for 300 ms"):
        await told(gateway, 1)


async def test_silence_goes_by_no_clock_that_is_set(connect, venue, monkeypatch: pytest.MonkeyPatch):
    gateway = await connect(stale_after_ms=300)
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s)
    gateway._venue.hooks.clients["orders"].ping_looper.cancel()
    with pytest.raises(GatewayError, match="silent for 300 ms"):
        await told(gateway, 1)


async def test_a_quiet_connection_that_answers_pings_is_kept(connect, venue):
    gateway = await connect(stale_after_ms=200)
    await asyncio.sleep(0.6)
    assert gateway.is_connected


async def test_a_redirected_client_has_no_way_to_the_real_venue(connect):
    gateway = await connect()
    assert "binance.com" not in str(gateway._venue.exchange.urls["api"])
    assert "127.0.0.1" in str(gateway._venue.exchange.urls["api"])


async def test_an_end_that_the_venue_announces_ends_the_reports(connect, venue):
    gateway = await connect()
    await venue.user_event(e="eventStreamTerminated", E=1)
    with pytest.raises(GatewayError, match="eventStreamTerminated"):
        await told(gateway, 1)


async def test_a_report_that_cannot_be_read_ends_the_reports(connect, venue):
    gateway = await connect()
    await venue.user_event(**venue.report(ID, "FILLED", "TRADE", t=8, l="a lot", L="100"))
    with pytest.raises(GatewayError, match="cannot be read"):
        await told(gateway, 1)


async def test_a_query_gives_the_state_and_all_executions_paged(connect, venue):
    gateway = await connect()
    await gateway.order(order(size="600.00000"))
    venue.orders[ID] |= {"status": "CANCELED", "executedQty": "501.00000000", "updateTime": 5}
    trade = {"orderId": 1000, "symbol": "BTCUSDT", "price": "100.00", "commission": "0", "commissionAsset": "USDT"}
    venue.trades = [{**trade, "id": n, "qty": "1.00000000", "time": n, "isBuyer": True} for n in range(501)]
    state, *executions = await gateway.query_order(ID)
    assert state.status == "CANCELLED"
    assert [report.trade_id for report in executions] == list(range(501))
    assert [params.get("fromId") for what, params in venue.requests if what == "myTrades"] == [None, "500"]


async def test_executions_that_lag_behind_the_order_are_no_answer(connect, venue):
    gateway = await connect()
    await gateway.order(order())
    venue.orders[ID] |= {"status": "FILLED", "executedQty": "0.50000000"}
    with pytest.raises(GatewayError, match="asked again"):
        await gateway.query_order(ID)


async def test_an_order_that_is_not_there_is_not_found_at_the_venues_time(connect, venue):
    venue.clock_skew_ms = 3_000
    gateway = await connect(known=lambda order_id: order())
    (report,) = await gateway.query_order(ID)
    assert report.status == "NOT_FOUND"
    assert 0 <= venue.now_ms() * 1_000_000 - report.ts_venue_ns < 2_500_000_000, "never later than it is there"


async def test_a_clock_that_is_too_far_off_refuses_to_connect(connect, venue):
    venue.clock_skew_ms = -60_000
    with pytest.raises(GatewayError, match="set the clock"):
        await connect()


@pytest.mark.parametrize("by_socket", [True, False])
async def test_a_request_that_is_refused_for_its_time_has_the_clock_measured(connect, venue, by_socket):
    gateway = await connect(use_websocket_orders=by_socket)
    venue.clock_skew_ms = -3_000
    venue.on_order = venue.in_time(venue.accept)
    await gateway.order(order())
    (report,) = await told(gateway, 1)
    assert (report.status, report.reason) == ("REJECTED", "-1021")
    await until(lambda: -3_500_000_000 < gateway.counters()["clock_offset_ns"] < -2_500_000_000)
    assert await gateway.order(order()) == "1000", "and what is signed from then on is corrected by it"


async def test_cancels_by_our_id_and_those_that_meet_an_end(connect, venue):
    gateway = await connect()
    await gateway.order(order())
    assert await gateway.cancel(ID) is True
    assert await gateway.cancel(ID) is False
    assert [what for what, _ in venue.requests if "cancel" in what] == ["ws order.cancel"] * 2


async def test_a_cancel_that_met_the_rate_limit_goes_again_behind_the_silence(connect, venue):
    gateway = await connect(use_websocket_orders=False)
    await gateway.order(order())
    venue.refuse_next = [venue.error(-1003, "Too much request weight used.", 429, **{"Retry-After": "0.1"})]
    assert await gateway.cancel(ID) is True
    assert [what for what, _ in venue.requests if "cancel" in what] == ["REST cancel"] * 2
    assert gateway.counters()["budget"]["penalties"] == 1


@pytest.mark.parametrize("by_socket", [True, False])
async def test_a_cancel_that_is_refused_for_its_time_goes_again_behind_the_clock(connect, venue, by_socket):
    gateway = await connect(use_websocket_orders=by_socket)
    await gateway.order(order())
    venue.clock_skew_ms = 3_000
    venue.on_cancel = venue.in_time(venue.cancel)
    assert await gateway.cancel(ID) is True, "that it came too late is no word about the order"
    assert venue.orders[ID]["status"] == "CANCELED"
    venue.on_cancel = lambda params: (400, {"code": -1021, "msg": "Timestamp for this request is outside"})
    with pytest.raises(GatewayError, match="-1021"):
        await gateway.cancel(ID)


async def test_few_snapshots_are_under_way_at_once_and_a_cancel_passes_them(connect, venue):
    gateway = await connect(use_websocket_orders=False)
    await gateway.order(order())
    venue.depth_takes_s = 0.05

    async def snapshot():
        with urgent(Urgency.SNAPSHOT):
            await gateway._venue.exchange.fetch_order_book("BTC/USDT", 100)

    flood = [asyncio.create_task(snapshot()) for _ in range(10)]
    await until(lambda: venue.depths)
    assert await gateway.cancel(ID) is True
    assert not all(task.done() for task in flood)
    await asyncio.gather(*flood)
    assert venue.most_depths == 2


async def test_the_venues_weight_is_taken_over(connect, venue):
    venue.weight = 5_000
    gateway = await connect()
    assert gateway.counters()["budget"]["used"]["spot.weight_1m"] >= 5_000


async def test_balances_are_exact(connect):
    gateway = await connect()
    assert await gateway.balance() == {"USDT": Decimal("1000.5")}
    assert await gateway.total_balance() == {"USDT": Decimal(1010)}


async def test_keys_are_in_no_error_and_no_repr(connect, venue):
    gateway = await connect(use_websocket_orders=False)
    venue.on_order = lambda params: (503, {"msg": f"the-api-key {params.get('signature')} the-secret-of-it"})
    with pytest.raises(GatewayError) as failed:
        await gateway.order(order())
    text = f"{failed.value!r} {failed.value.__cause__} {gateway!r} {Credentials('the-api-key', 'the-secret-of-it')}"
    assert "the-api-key" not in text
    assert "the-secret" not in text


async def test_keys_are_in_no_refusal(connect, venue):
    gateway = await connect()
    venue.on_order = lambda params: (400, {"code": -2010, "msg": "no: the-api-key the-secret-of-it"})
    await gateway.order(order())
    (report,) = await told(gateway, 1)
    assert (report.status, report.detail) == ("REJECTED", "no: *** ***")


def numbered(number):
    return Order("BTC/USDT@binance", "BUY", "0.5", price="100.00", order_id=f"L{number:032x}")


async def test_the_order_socket_keeps_nothing_of_what_was_answered_or_given_up(connect, venue):
    gateway = await connect()
    (client,) = [client for url, client in gateway._venue.exchange.clients.items() if "ws-api" in url]
    kept = (client.subscriptions, client.futures, client.rejections)
    await until(lambda: client.futures)
    before = [sorted(rows) for rows in kept]
    answers = {
        "taken": venue.accept,
        "refused": lambda params: (400, {"code": -2010, "msg": "Account has insufficient balance."}),
        "open": lambda params: (400, {"code": -1006, "msg": "Execution status unknown."}),
        "none": lambda params: (None, None),
    }
    for number in range(40):
        venue.on_order = list(answers.values())[number % 4]
        with suppress(GatewayError, TimeoutError):
            async with asyncio.timeout(0.02 if number % 4 == 3 else 5):
                await gateway.order(numbered(number))
    for number in range(0, 40, 4):
        assert await gateway.cancel(numbered(number).order_id) is True
        assert await gateway.cancel(numbered(number).order_id) is False
    await until(lambda: client.futures.keys() == {"orders"})
    # What comes when nobody waits any more, good or bad.
    (socket,) = venue.user_sockets
    for number in range(2, 62):
        bad = {"status": 400, "error": {"code": -2010, "msg": "late"}}
        await socket.send_json({"id": str(number), **(bad if number % 2 else {"status": 200, "result": {}})})
    venue.on_order = venue.accept
    assert await gateway.order(numbered(99)), "the connection is there, and what came before has been read"
    await until(lambda: [sorted(rows) for rows in kept] == before)
    assert gateway.is_connected
    assert len([what for what, _ in venue.requests if what.startswith("ws order")]) == 61


@pytest.mark.parametrize("code", [-1003, -1021, -2010, -2015, -1000])
async def test_an_error_that_names_no_request_is_the_answer_to_none(connect, venue, code):
    gateway = await connect()

    def keeps_it(params):
        venue.accept(params)
        return None, None

    venue.on_order = keeps_it
    sending = asyncio.create_task(gateway.order(order()))
    await until(lambda: venue.orders)
    for socket in venue.user_sockets:
        await socket.send_json({"id": None, "status": 400, "error": {"code": code, "msg": 'it said "code": -2010'}})
    async with asyncio.timeout(5):
        with pytest.raises(GatewayError, match="names no request"):
            await sending
    assert gateway._user._reports.qsize() == 0, "it is the answer to no order, and the end of no stream"


async def test_an_error_that_names_no_request_ends_no_stream_of_reports_and_is_told(connect, venue, caplog):
    gateway = await connect()
    fill = {"l": "0.10000000", "L": "100.00000000", "n": "0.001", "N": "USDT"}
    for number in range(5):
        for socket in venue.user_sockets:
            await socket.send_json({"id": None, "status": 400, "error": {"code": -1000, "msg": "of the-api-key"}})
        await venue.user_event(**venue.report(ID, "PARTIALLY_FILLED", "TRADE", t=number, **fill))
    assert [report.trade_id for report in await told(gateway, 5)] == [*range(5)], "none is missed"
    assert gateway.is_connected
    assert len(venue.user_sockets) == 1, "it is the same stream"
    assert [one for one, _ in venue.requests].count("ws userDataStream.subscribe.signature") == 1
    assert caplog.text.count("an error that names no request: -1000 of ***") == 5
    # What is no error of the connection's is its end as ever.
    await venue.user_sockets[0].close()
    with pytest.raises(GatewayError):
        await told(gateway, 1)
