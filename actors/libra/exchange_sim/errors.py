"""What the venue answers when it refuses: codes and messages as its documentation lists them.

Spot: "Error codes" of the Spot API; USD-M: "Error Code" of the USDⓈ-M futures API. What only one of them has is made
where it is needed.
"""

from __future__ import annotations

__all__ = ["ApiError"]


class ApiError(Exception):
    """A refusal.

    Args:
        code: The venue's code, below zero.
        msg: Its message.
        http: The HTTP status.
        retry_after_s: What `Retry-After` says, for 429 and 418.
        data: What else the answer carries.
    """

    def __init__(
        self, code: int, msg: str, http: int = 400, *, retry_after_s: int | None = None, data: object = None
    ) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.http = http
        self.retry_after_s = retry_after_s
        self.data = data

    def body(self) -> dict[str, object]:
        """The answer's body."""
        body: dict[str, object] = {"code": self.code, "msg": self.msg}
        return body if self.data is None else {**body, "data": self.data}

    # 10xx: the server, or the network.

    @classmethod
    def disconnected(cls) -> ApiError:
        """The server could not do it."""
        return cls(-1001, "Internal error; unable to process your request. Please try again.", 503)

    @classmethod
    def unknown_execution(cls) -> ApiError:
        """Nobody knows whether it was done."""
        return cls(
            -1007,
            "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
            503,
        )

    @classmethod
    def unauthorized(cls) -> ApiError:
        """The key's owner may not do this."""
        return cls(-1002, "You are not authorized to execute this request.", 401)

    @classmethod
    def too_much_weight(cls, limit: int, retry_after_s: int) -> ApiError:
        """429."""
        msg = (
            f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return cls(-1003, msg, 429, retry_after_s=retry_after_s)

    @classmethod
    def banned(cls, ip: str, until_ms: int, retry_after_s: int) -> ApiError:
        """418."""
        msg = (
            f"Way too much request weight used; IP banned until {until_ms}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return cls(-1003, msg.replace("IP banned", f"IP({ip}) banned"), 418, retry_after_s=retry_after_s)

    @classmethod
    def too_many_orders(cls, limit: int, interval: str, retry_after_s: int) -> ApiError:
        """429 for orders."""
        msg = f"Too many new orders; current limit is {limit} orders per {interval}."
        return cls(-1015, msg, 429, retry_after_s=retry_after_s)

    @classmethod
    def outside_window(cls, *, ahead: bool) -> ApiError:
        """The timestamp is too old, or too far ahead."""
        if ahead:
            return cls(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        return cls(-1021, "Timestamp for this request is outside of the recvWindow.")

    @classmethod
    def bad_signature(cls) -> ApiError:
        """It does not verify."""
        return cls(-1022, "Signature for this request is not valid.")

    # 11xx: the request.

    @classmethod
    def illegal(cls, name: str, pattern: str = "^([0-9]{1,20})(\\.[0-9]{1,20})?$") -> ApiError:
        """A parameter is not of its form."""
        return cls(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'.")

    @classmethod
    def missing(cls, name: str) -> ApiError:
        """A mandatory parameter is not there."""
        return cls(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")

    @classmethod
    def missing_either(cls, first: str, second: str) -> ApiError:
        """One of two parameters has to be there."""
        msg = f"Param '{first}' or '{second}' must be sent, but both were empty/null!"
        return cls(-1102, msg)

    @classmethod
    def not_required(cls, name: str) -> ApiError:
        """A parameter was sent that does not belong there."""
        return cls(-1106, f"Parameter '{name}' sent when not required.")

    @classmethod
    def precision(cls, name: str | None = None) -> ApiError:
        """More decimals than the asset has."""
        if name is None:
            return cls(-1111, "Precision is over the maximum defined for this asset.")
        return cls(-1111, f"Parameter '{name}' has too much precision.")

    @classmethod
    def bad_enum(cls, code: int, name: str) -> ApiError:
        """-1115 timeInForce, -1116 orderType, -1117 side, -1120 interval."""
        return cls(code, f"Invalid {name}.")

    @classmethod
    def bad_symbol(cls) -> ApiError:
        """There is no such symbol."""
        return cls(-1121, "Invalid symbol.")

    @classmethod
    def bad_listen_key(cls) -> ApiError:
        """There is no such listen key."""
        return cls(-1125, "This listenKey does not exist.")

    @classmethod
    def too_long(cls, most_ms: int) -> ApiError:
        """Too much time is asked for at once."""
        return cls(-1127, f"More than {most_ms // 3_600_000} hours between startTime and endTime.")

    @classmethod
    def combination(cls, msg: str = "Combination of optional parameters invalid.") -> ApiError:
        """Parameters that do not go together."""
        return cls(-1128, msg)

    # 2xxx: orders and keys.

    @classmethod
    def rejected(cls, msg: str) -> ApiError:
        """Spot: a new order was rejected."""
        return cls(-2010, msg)

    @classmethod
    def cancel_rejected(cls) -> ApiError:
        """There is no such open order."""
        return cls(-2011, "Unknown order sent.")

    @classmethod
    def no_such_order(cls) -> ApiError:
        """A query found nothing."""
        return cls(-2013, "Order does not exist.")

    @classmethod
    def bad_key_format(cls) -> ApiError:
        """No key was sent, or none at all like one."""
        return cls(-2014, "API-key format invalid.", 401)

    @classmethod
    def rejected_key(cls) -> ApiError:
        """The key is unknown, or may not do this."""
        return cls(-2015, "Invalid API-key, IP, or permissions for action.", 401)

    @classmethod
    def filter(cls, name: str) -> ApiError:
        """Spot: a filter was not passed."""
        return cls(-1013, f"Filter failure: {name}")
