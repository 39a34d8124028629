"""`[nodes]` and `[bridge]` of a profile: what they mean, and that every mistake is found, all at once."""

from pathlib import Path

import pytest
from tests.unit.config.conftest import PROFILE

from libra.config import Flags, load, plugins
from libra.config import plugins as plugging
from libra.errors import BridgeError, ConfigError
from libra_cluster.bridge.native import open_bridge, read_password
from libra_cluster.bridge.settings import BridgeSettings
from libra_cluster.topology import Topology

MORE = """
[[strategies]]
name = "second"
class = "libra.strategies.examples.sma_crossover:SmaCrossover"
account = "paper"
symbols = ["BTC/USDT:USDT"]
"""
TRADING = '[nodes.trading]\nroles = ["market", "accounts"]\n'
STRATEGIES = '[nodes.rest]\nroles = ["strategies"]\n'


@pytest.fixture
def read(tmp_path: Path):
    """Loads the small profile with more text behind it."""

    def read(more: str, **options):
        (tmp_path / "p.toml").write_text(PROFILE + more, encoding="utf-8")
        return load(tmp_path / "p.toml", environ=options.pop("environ", {}), flags=Flags(**options))

    return read


@pytest.fixture
def wrong(read):
    """What is said of a profile with mistakes."""

    def wrong(more: str, **options) -> str:
        with pytest.raises(ConfigError) as error:
            read(more, **options)
        return str(error.value)

    return wrong


def test_each_part_has_its_node(read):
    one = '[nodes.one]\nroles = ["strategies"]\nstrategies = ["second"]\nenv = { A = "1" }\n'
    topology = Topology.of(read(MORE + TRADING + STRATEGIES + one))
    parts = {member.name: member.part for member in topology.members}
    assert (parts["trading"].market, parts["trading"].accounts, parts["trading"].strategies) == (True, True, ())
    assert parts["rest"].strategies == ("sma",)
    assert parts["one"].strategies == ("second",)
    assert [member.ends_last for member in topology.members] == [True, False, False]
    assert dict(topology.members[2].env) == {"A": "1"}
    assert topology.is_joined
    assert topology.bridge == BridgeSettings()


@pytest.mark.parametrize(("more", "deadline_ms"), [("", 5_000), ("[bridge]\nrequest_deadline_ms = 0\n", 0)])
def test_only_what_is_asked_of_another_node_has_a_deadline(read, more, deadline_ms):
    near = '[nodes.near]\nroles = ["market", "accounts", "strategies"]\nstrategies = ["second"]\n'
    members = Topology.of(read(MORE + more + near + STRATEGIES)).members
    told = {member.name: member.part.request_deadline_ms for member in members}
    assert told == {"near": 0, "rest": deadline_ms}


def test_a_profile_without_nodes_loads_no_plugin(read, monkeypatch: pytest.MonkeyPatch):
    from libra.config.load import load as loading

    module = __import__(loading.__module__, fromlist=["plugins"])
    monkeypatch.setattr(module, "plugins", lambda: pytest.fail("a plug-in was asked for"))
    settings = read("")
    assert Topology.of(settings).members == ()


def test_a_bridge_alone_starts_no_nodes(read):
    settings = read('[bridge]\nenvironment = "prod"\n')
    [plugin] = plugins()
    assert not plugin.takes(settings)


def test_without_the_package_it_says_so(wrong, monkeypatch: pytest.MonkeyPatch):
    from libra.config.load import load as loading

    module = __import__(loading.__module__, fromlist=["plugins"])
    monkeypatch.setattr(module, "plugins", tuple)
    monkeypatch.setattr(module, "settings_model", lambda: plugging.Settings)
    said = wrong(TRADING + STRATEGIES + "[bridge]\nshards = 4\n")
    assert "nodes: is read by libra_cluster, which is not installed" in said
    assert "bridge: is read by libra_cluster, which is not installed" in said
    assert said.startswith("the configuration has 2 problems")


TWICE = "[bridge]\nurl = 'rediss://x?user=u&password_env=P&ca_file=/ca.pem'\n"
CA = "bridge.ca_file: needs a url with TLS: rediss://"


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (STRATEGIES, 'no node has the role "market"'),
        (STRATEGIES, 'no node has the role "accounts"'),
        (TRADING, "no node runs sma"),
        (TRADING + STRATEGIES + '[nodes.b]\nroles = ["market"]\n', 'can be in one node only, and "trading" has it'),
        (TRADING + STRATEGIES + '[nodes.b]\nroles = ["market", "accounts"]\n', "the account groups can be in one"),
        ('[nodes.a]\nroles = ["market"]\n[nodes.b]\nroles = ["accounts", "strategies"]\n', "priced by the market"),
        (TRADING + STRATEGIES + '[nodes.b]\nroles = ["strategies"]\n', "name those of this one"),
        (TRADING + '[nodes.b]\nroles = ["strategies"]\nstrategies = ["smo"]\n', 'there is no strategy "smo"'),
        (TRADING + STRATEGIES + 'strategies = ["sma", "sma"]\n', 'strategy "sma" is in node "rest" already'),
        (TRADING + 'strategies = ["sma"]\n' + STRATEGIES, 'has strategies without the role "strategies"'),
        (TRADING + "[nodes.rest]\nroles = []\n", "must not be empty"),
        (TRADING + '[nodes.rest]\nroles = ["strategy"]\n', "nodes.rest.roles"),
        (TRADING + '[nodes.rest]\nrole = ["strategies"]\n', 'did you mean "roles"?'),
        (TRADING + '[nodes.Rest]\nroles = ["strategies"]\n', "is not written as it should be"),
        ("[nodes]\n", "names no node"),
        (TRADING + STRATEGIES + "[bridge]\nurl = 'http://x'\n", "has to be redis://HOST:PORT"),
        (TRADING + STRATEGIES + "[bridge]\nurl = 'redis://me:pw@x'\n", "must not hold a user or a password"),
        (TRADING + STRATEGIES + "[bridge]\nurl = 'redis+sentinel://me:pw@x/main'\n", "must not hold a user"),
        (TRADING + STRATEGIES + "[bridge]\nurl = 'redis://x:99999'\n", "bridge.url: "),
        (TRADING + STRATEGIES + "[bridge]\nurl = 'redis://x?password=y'\n", "bridge.url: "),
        (TRADING + STRATEGIES + "[bridge]\nurl = 'redis://x'\nappendonly = true\n", "is for the server that the top"),
        (TRADING + STRATEGIES + "[bridge]\nurl = 'redis://x'\nusername = 'me'\n", "needs a password"),
        (TRADING + STRATEGIES + "[bridge]\nusername = 'me'\npassword_env = 'P'\n", "add url, or take it out"),
        (TRADING + STRATEGIES + "[bridge]\nurl = 'rediss://x'\nca_file = 'no.pem'\n", "no.pem is no file"),
        (TRADING + STRATEGIES + f"[bridge]\nurl = 'redis://x'\nca_file = '{__file__}'\n", CA),
        (TRADING + STRATEGIES + f"[bridge]\nurl = 'unix:///x'\nca_file = '{__file__}'\n", CA),
        (TRADING + STRATEGIES + f"[bridge]\nurl = 'redis+sentinel://x/m'\nca_file = '{__file__}'\n", CA),
        (TRADING + STRATEGIES + TWICE + f"ca_file = '{__file__}'\n", "bridge.ca_file: is given beside ca_file in url"),
        (TRADING + STRATEGIES + TWICE + "username = 'me'\n", "bridge.username: is given beside user in url"),
        (
            TRADING + STRATEGIES + TWICE + f"password_file = '{__file__}'\n",
            "password_file: is given beside password_env",
        ),
        (TRADING + STRATEGIES + "[bridge]\nshards = 0\n", "bridge.shards"),
        (TRADING + STRATEGIES + "[bridge]\nenvironment = 'A b'\n", "bridge.environment"),
    ],
)
def test_mistakes(wrong, more: str, found: str):
    assert found in wrong(more)


def test_a_server_may_be_found_by_sentinels(read):
    url = "redis+sentinel://one:26379,two/main"
    assert Topology.of(read(f"[bridge]\nurl = '{url}'\n")).bridge.url == url


def test_mistakes_are_found_all_at_once(wrong):
    said = wrong(TRADING + '[nodes.b]\nroles = ["strategies"]\nstrategies = ["smo"]\n[bridge]\nshards = 0\n')
    assert "smo" in said
    assert "bridge.shards" in said
    assert "no node runs sma" in said


def test_nodes_have_the_wall_clock(wrong):
    assert "simulated time is that of one process" in wrong(TRADING + STRATEGIES, speed="max")


def test_it_is_set_from_the_command_line(read):
    settings = read(TRADING + STRATEGIES, sets=("bridge.url=redis://localhost:6379", "nodes.rest.env.A=x"))
    topology = Topology.of(settings)
    assert topology.bridge.url == "redis://localhost:6379"
    assert dict(topology.members[1].env) == {"A": "x"}


def test_files_are_found_beside_the_profile(read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "secret").write_text("pa ss\nother\n", encoding="utf-8")
    bridge = Topology.of(read("[bridge]\nurl = 'redis://x'\npassword_file = 'secret'\n")).bridge
    monkeypatch.chdir("/")
    assert bridge.password_file == str(tmp_path / "secret")
    assert read_password(bridge) == "pa ss"


def test_a_password_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("THERE", "secret")
    assert read_password(BridgeSettings(password_env="THERE")) == "secret"
    assert read_password(BridgeSettings()) is None
    with pytest.raises(ConfigError, match="NOT_THERE"):
        read_password(BridgeSettings(password_env="NOT_THERE"))
    (tmp_path / "empty").touch()
    for path in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(ConfigError, match="password_file"):
            read_password(BridgeSettings(password_file=str(path)))


class Native:
    """What the native core is asked for."""

    made: list["Native"] = []  # noqa: RUF012 - of one test

    def __init__(self, core: object, options: dict[str, object]) -> None:
        self.core, self.options, self.calls = core, options, ["made"]
        self.made.append(self)

    def start(self) -> None:
        self.calls.append("start")

    def stop(self, timeout_s: float) -> dict[str, object]:
        self.calls.append(f"stop {timeout_s}")
        return {"sent": 1}

    def stats(self) -> dict[str, object]:
        return {"sent": 0}

    def news(self) -> list[object]:
        return []


def test_the_native_bridge_is_given_what_it_needs(monkeypatch: pytest.MonkeyPatch):
    import libra_core

    monkeypatch.setattr(libra_core, "Bridge", Native, raising=False)
    monkeypatch.setenv("P", "secret")
    settings = BridgeSettings(environment="prod", username="me", password_env="P", stale_after_s=2.5)
    bridge = open_bridge(settings, url="redis://x", node="trading", nodes=("trading", "rest"), accounts=("trading",))
    assert (bridge.stats(), bridge.stop(1.0), list(bridge.news())) == ({}, {}, [])
    core = object()
    bridge.start(core)
    [native] = Native.made
    assert native.core is core
    # What tells this life of the node apart.
    assert native.options.pop("started_ns") == bridge.life > 0
    assert native.options == {
        "environment": "prod",
        "url": "redis://x",
        "node": "trading",
        "nodes": ["trading", "rest"],
        "accounts": ["trading"],
        "username": "me",
        "password": "secret",
        "ca_file": None,
        "shards": 8,
        "outbox_events": 100_000,
        "outbox_bytes": 64 << 20,
        "stale_after_ms": 2_500,
        "max_clock_skew_ms": 2_000,
        "loop_patience_ms": 0,
    }
    assert (bridge.stats(), bridge.stop(1.0)) == ({"sent": 0}, {"sent": 1})
    assert native.calls == ["made", "start", "stop 1.0"]


def test_the_native_bridge_is_told_where_a_password_is_and_looks_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    import libra_core

    monkeypatch.setattr(libra_core, "Bridge", Native, raising=False)
    monkeypatch.setattr(Native, "made", [])
    (tmp_path / "secret").write_text("old\n", encoding="utf-8")
    settings = BridgeSettings(username="me", password_file=str(tmp_path / "secret"))
    open_bridge(settings, url="redis://x", node="trading", nodes=("trading", "rest")).start(object())
    [native] = Native.made
    assert native.options["password_file"] == str(tmp_path / "secret")
    assert "password" not in native.options, "it would be used for ever"
    # A start says so before anything is connected.
    (tmp_path / "secret").write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="first line"):
        open_bridge(settings, url="redis://x", node="trading", nodes=("trading", "rest"))


@pytest.mark.parametrize(
    "url", ["valkey://x:7000", "valkey+unix:///run/s", "redis+unix:///run/s", "valkey+sentinel://x,y/main"]
)
def test_a_server_is_named_as_either(read, url: str):
    assert Topology.of(read(f"[bridge]\nurl = '{url}'\n")).bridge.url == url


@pytest.mark.parametrize("url", ["rediss://x", "rediss+sentinel://x/main", "valkeys://x", "valkeys+sentinel://x/main"])
def test_authorities_of_a_server_with_a_certificate(read, url: str):
    bridge = Topology.of(read(f"[bridge]\nurl = '{url}'\nca_file = '{__file__}'\n")).bridge
    assert bridge.native()["ca_file"] == __file__


@pytest.mark.parametrize(("url", "told"), [(None, 1), ("redis://x", 3)])
def test_what_the_own_server_keeps_is_chosen_and_no_finding(
    monkeypatch: pytest.MonkeyPatch, url: str | None, told: int
):
    import libra_core

    class News:
        def __init__(self, kind: str, detail: str) -> None:
            self.kind = kind
            self.detail = detail

    monkeypatch.setattr(libra_core, "Bridge", Native, raising=False)
    findings = [
        News("server_note", "PERSISTENCE_SNAPSHOTS: now and then"),
        News("server_finding", "PERSISTENCE_NONE: it keeps nothing"),
        News("server_finding", "EVICTION: bad"),
    ]
    rows = [{"code": found.detail.split(":")[0]} for found in findings]
    monkeypatch.setattr(Native, "news", lambda _: findings)
    monkeypatch.setattr(Native, "stats", lambda _: {"link": {"findings": rows}})
    monkeypatch.setattr(Native, "made", [])
    bridge = open_bridge(BridgeSettings(url=url), url="redis://x", node="a", nodes=("a", "b"))
    bridge.start(object())
    assert list(bridge.news()) == findings[-told:]
    assert bridge.stats() == {"link": {"findings": rows[-told:]}}


def test_a_build_without_a_bridge(monkeypatch: pytest.MonkeyPatch):
    import libra_core

    monkeypatch.delattr(libra_core, "Bridge", raising=False)
    with pytest.raises(BridgeError, match="no bridge"):
        open_bridge(BridgeSettings(), url="redis://x", node="a", nodes=("a", "b"))


@pytest.mark.parametrize(
    ("more", "sets"),
    [
        ("[bridge]\nurl = 'redis://me:HIDDEN@x'\n", ()),
        ("[bridge]\npassword = 'HIDDEN'\n", ()),
        ("", ("bridge.url=redis://me:HIDDEN@x",)),
        ("", ("bridge.password=HIDDEN",)),
        ("", ("bridge..password=HIDDEN",)),
    ],
)
def test_a_secret_is_not_repeated_by_the_error_that_forbids_it(wrong, more: str, sets: tuple[str, ...]):
    said = wrong(TRADING + STRATEGIES + more, sets=sets)
    assert "bridge" in said
    assert "HIDDEN" not in said
