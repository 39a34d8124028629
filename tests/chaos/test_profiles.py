"""Nodes whose profiles differ where they have to be alike."""

from tests.chaos.driven import Driven, Place

from libra.core.events import EventType


def test_another_number_of_shards_is_told_at_both_ends_with_both_values():
    with Place(["a", "b", "c"]) as place:
        a, c = place.node("a"), place.node("c")
        b = place.join(Driven(place.settings | {"shards": 4}, "b", EventType.QUOTE))
        place.until(lambda: a.told("node_differs") and len(b.told("node_differs")) == 2)
        [told] = a.told("node_differs")
        assert told.node == "b"
        assert told.detail.startswith("bridge.shards is 4 there and 8 here")
        assert {told.node for told in b.told("node_differs")} == {"a", "c"}
        assert all("bridge.shards is 8 there and 4 here" in told.detail for told in b.told("node_differs"))
        # By each beacon it is said, and told once.
        place.until(lambda: a.link()["nodes"]["b"]["beacons"] >= 3)
        assert len(a.told("node_differs")) == 1
        assert [told.node for told in c.told("node_differs")] == ["b"]
