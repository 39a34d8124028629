"""The soak sees what rises: `tests/soak` would be worth nothing if it called a leak flat."""

from dataclasses import replace

import pytest
from tests.soak.flat import BYTES_AN_ORDER, RSS_TOLERANCE, bytes_an_order, rises
from tests.soak.probe import Sample, begin, take


def samples(**growing):
    """Forty samples; each keyword grows by so much over the whole run, the first half being as steep as the second."""
    base = {"rss": 50 << 20, "blocks": 100_000, "descriptors": 20, "threads": 4, "orders": 0, "fills": 0}
    return [
        Sample(
            at=n / 40,
            events=n,
            objects={"a.Leak": int(growing.get("objects", 0) * n / 40)},
            **{name: value + int(growing.get(name, 0) * n / 40) for name, value in base.items()},
        )
        for n in range(41)
    ]


def not_flat(**growing):
    return [rise.what for rise in rises(samples(**growing)) if not rise.is_flat]


def test_what_stands_still_or_falls_is_flat():
    assert not_flat() == []
    assert not_flat(rss=-(10 << 20), blocks=-50_000, descriptors=-4) == []


@pytest.mark.parametrize(
    ("what", "by"), [("rss", 3 * RSS_TOLERANCE), ("blocks", 3_000), ("descriptors", 8), ("threads", 8)]
)
def test_what_rises_is_named(what, by):
    assert not_flat(**{what: by}) == [what]


def test_objects_of_one_type_that_rise_are_named():
    assert not_flat(objects=100) == ["a.Leak"]


def test_one_sample_in_the_middle_of_a_burst_is_no_rise():
    row = samples()
    row[-1] = replace(row[-1], objects={"a.Event": 500})
    assert [rise.what for rise in rises(row) if not rise.is_flat] == []


def test_orders_may_take_what_is_stated_and_no_more():
    assert not_flat(orders=10_000, rss=10_000 * BYTES_AN_ORDER) == []
    assert not_flat(orders=10_000, rss=10_000 * 2 * BYTES_AN_ORDER) == ["rss"]
    assert bytes_an_order(samples(orders=10_000, rss=20_000_000)) == pytest.approx(2_000, rel=0.01)
    assert bytes_an_order(samples(orders=100, rss=20_000_000)) is None


def test_a_short_run_is_no_evidence():
    with pytest.raises(ValueError, match="too few"):
        rises(samples()[-7:])


def test_a_sample_sees_what_is_held():
    class Held:
        pass

    begin()
    before = take(0.0, 0)
    held = [Held() for _ in range(1_000)]
    after = take(1.0, 0)
    name = next(name for name in after.objects if name.endswith("Held"))
    assert after.objects[name] == len(held)
    assert name not in before.objects
    assert after.rss > 0
    assert after.descriptors >= 3
    assert after.threads >= 1
