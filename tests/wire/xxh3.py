"""XXH3 of xxHash in pure Python, and what docs/wire.md does with it: the shard of an instrument's market data."""

__all__ = ["shard_of", "xxh3_64"]

_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
_P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
_P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
_BITS = (1 << 64) - 1


def _u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _folded(one: int, other: int) -> int:
    """The halves of the product of two 64-bit numbers, put together."""
    product = (one & _BITS) * (other & _BITS)
    return (product ^ product >> 64) & _BITS


def _avalanche(bits: int) -> int:
    bits = (bits ^ bits >> 37) * 0x165667919E3779F9 & _BITS
    return bits ^ bits >> 32


def _avalanche_64(bits: int) -> int:
    bits = (bits ^ bits >> 33) * _P64[1] & _BITS
    bits = (bits ^ bits >> 29) * _P64[2] & _BITS
    return bits ^ bits >> 32


def _to_16(data: bytes) -> int:
    length = len(data)
    if length > 8:
        low = _u64(data, 0) ^ _u64(_SECRET, 24) ^ _u64(_SECRET, 32)
        high = _u64(data, length - 8) ^ _u64(_SECRET, 40) ^ _u64(_SECRET, 48)
        turned = int.from_bytes(low.to_bytes(8, "little"), "big")
        return _avalanche(length + turned + high + _folded(low, high) & _BITS)
    if length > 3:
        bits = _u32(data, length - 4) + (_u32(data, 0) << 32) ^ _u64(_SECRET, 8) ^ _u64(_SECRET, 16)
        bits ^= (bits << 49 | bits >> 15) & _BITS ^ (bits << 24 | bits >> 40) & _BITS
        bits = bits * 0x9FB21C651E98DF25 & _BITS
        bits = (bits ^ (bits >> 35) + length) * 0x9FB21C651E98DF25 & _BITS
        return bits ^ bits >> 28
    if length == 0:
        return _avalanche_64(_u64(_SECRET, 56) ^ _u64(_SECRET, 64))
    bits = data[0] << 16 | data[length >> 1] << 24 | data[-1] | length << 8
    return _avalanche_64(bits ^ _u32(_SECRET, 0) ^ _u32(_SECRET, 4))


def _mixed(data: bytes, at: int, secret: int) -> int:
    return _folded(_u64(data, at) ^ _u64(_SECRET, secret), _u64(data, at + 8) ^ _u64(_SECRET, secret + 8))


def _to_240(data: bytes) -> int:
    length = len(data)
    bits = length * _P64[0]
    if length <= 128:
        for pair in range((length - 1) // 32 + 1):
            bits += _mixed(data, 16 * pair, 32 * pair) + _mixed(data, length - 16 * (pair + 1), 32 * pair + 16)
        return _avalanche(bits & _BITS)
    bits = _avalanche(bits + sum(_mixed(data, 16 * part, 16 * part) for part in range(8)) & _BITS)
    bits += sum(_mixed(data, 16 * part, 16 * (part - 8) + 3) for part in range(8, length // 16))
    return _avalanche(bits + _mixed(data, length - 16, 136 - 17) & _BITS)


def _longer(data: bytes) -> int:
    """Of less than a block, 1,024 bytes: no name is longer."""
    sums = [_P32[2], *_P64[:4], _P32[1], _P64[4], _P32[0]]
    stripes = [(64 * stripe, 8 * stripe) for stripe in range((len(data) - 1) // 64)]
    for at, secret in [*stripes, (len(data) - 64, 192 - 64 - 7)]:
        for lane in range(8):
            value = _u64(data, at + 8 * lane)
            keyed = value ^ _u64(_SECRET, secret + 8 * lane)
            sums[lane ^ 1] = sums[lane ^ 1] + value & _BITS
            sums[lane] = sums[lane] + (keyed & 0xFFFFFFFF) * (keyed >> 32) & _BITS
    bits = len(data) * _P64[0]
    for pair in range(4):
        bits += _folded(
            sums[2 * pair] ^ _u64(_SECRET, 11 + 16 * pair), sums[2 * pair + 1] ^ _u64(_SECRET, 19 + 16 * pair)
        )
    return _avalanche(bits & _BITS)


def xxh3_64(data: bytes) -> int:
    """XXH3 of xxHash, its 64 bits, seed 0, of what is no longer than a name may be."""
    if len(data) <= 16:
        return _to_16(data)
    return _to_240(data) if len(data) <= 240 else _longer(data)


def shard_of(instrument: str, shards: int) -> int:
    """The shard in which an instrument's market data travel; "" where there is none."""
    return xxh3_64(instrument.encode()) % shards if instrument else 0
