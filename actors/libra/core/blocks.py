"""Blocks: many market events of one type as one NumPy structured array, for handlers that compute on arrays.

``subscribe(EventType.QUOTE, handler, batch="block")``, on a `MessageBus` or in an actor, calls the handler with a
`numpy.ndarray` of one dimension, in the order of the events, of at most 256 events: as many as waited when the
handler's turn came. A block is read-only and owns its memory, so it may be kept; `numpy.copy` gives one to write to.

Prices and sizes are the exact integers of the event: units of ``10**-price_decimals`` and ``10**-size_decimals``. Each
row names its decimals, since a block may hold several instruments. Times are nanoseconds since the epoch.

========== ============================ ========================================================================
fields of  name, type                   meaning
========== ============================ ========================================================================
all        sequence u8                  `bus_seq`, the number of the event on its bus or in its process
all        ts_ns i8                     when this process learned of it
all        instrument u4                a number for `instrument_of`; it means nothing in another process
all        price_decimals, size_... u1  decimals of the row's prices and sizes
QUOTE      bid, ask, bid_size,          best bid and offer; a side that is empty has price 0 and size 0
           ask_size i8
QUOTE      ts_venue_ns, venue_seq i8    the venue's time and sequence, 0 where it sends none
TRADE      price, size, trade_id i8     the trade
TRADE      side i1                      who took: 1 the buyer, -1 the seller, 0 the venue does not say
TRADE      ts_venue_ns i8               the venue's time, 0 where it sends none
BAR        open, high, low, close,      the bar
           volume i8
BAR        ts_open_ns, interval_ms i8   its start and its length
ORDER_BOOK price, size i8               a row a level: its price and the size that is there now, 0 for none
ORDER_BOOK side i1                      1 a bid, -1 an ask; 0 a row for a change without levels
ORDER_BOOK is_snapshot bool             the event replaces the book
ORDER_BOOK first_id, last_id,           the venue's ids of the change, -1 for a previous id that it does not send
           previous_id i8
ORDER_BOOK ts_venue_ns i8               the venue's time, 0 where it sends none
========== ============================ ========================================================================

NumPy is needed for blocks alone: ``pip install libra[numpy]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from libra_core import block_dtype, instrument_number, instrument_of

if TYPE_CHECKING:
    import numpy

    from libra.core.events import EventType

    Block: TypeAlias = numpy.ndarray[tuple[int], numpy.dtype[numpy.void]]

__all__ = ["dtype", "instrument_number", "instrument_of"]


def dtype(event_type: EventType) -> numpy.dtype[Any]:
    """The structured dtype of an event type's blocks.

    Raises:
        TypeError: When the event type has no blocks.
        ImportError: When NumPy is not installed.

    Example:
        >>> from libra.core.events import EventType
        >>> dtype(EventType.QUOTE)["bid"]
        dtype('int64')
    """
    found: numpy.dtype[Any] = block_dtype(event_type)
    return found
