"""The usual way between processes, redis-py and pub/sub: `redis_py_peer.py publish|consume SOCKET SECONDS BATCH`.

A message carries BATCH events as msgpack; each event is a map of the fields of a trade. Both ends use the plain client.
The publisher ends by an empty message, so the consumer has by then had all before it.
"""

from __future__ import annotations

import json
import sys
import time

import msgspec
import redis

CHANNEL = "bench:market"


def event(number: int) -> dict[str, object]:
    """What a trade says."""
    return {
        "type": "TRADE",
        "source": "bench",
        "instrument": f"I{number % 32:03}/USDT",
        "ts_ns": time.time_ns(),
        "price": 6_168_599 + number,
        "size": 17,
        "trade_id": number,
    }


def publish(client: redis.Redis, seconds: float, batch: int) -> dict[str, float]:
    """Publishes as fast as it goes."""
    encode = msgspec.msgpack.Encoder().encode
    while not client.pubsub_numsub(CHANNEL)[0][1]:
        time.sleep(0.005)
    started, sent = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        client.publish(CHANNEL, encode([event(sent + number) for number in range(batch)] if batch > 1 else event(sent)))
        sent += batch
    client.publish(CHANNEL, b"")
    return {"sent": sent, "seconds": time.monotonic() - started}


def consume(client: redis.Redis, batch: int) -> dict[str, float]:
    """Decodes what comes."""
    decode = msgspec.msgpack.Decoder().decode
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(CHANNEL)
    received, first = 0, 0.0
    for message in pubsub.listen():
        if not message["data"]:
            break
        first = first or time.monotonic()
        decoded = decode(message["data"])
        received += len(decoded) if batch > 1 else 1
    pubsub.close()
    return {"received": received, "seconds": time.monotonic() - first}


if __name__ == "__main__":
    role, socket, seconds_, batch_ = sys.argv[1:]
    with redis.Redis(unix_socket_path=socket) as client_:
        found = publish(client_, float(seconds_), int(batch_)) if role == "publish" else consume(client_, int(batch_))
    print(json.dumps(found))
