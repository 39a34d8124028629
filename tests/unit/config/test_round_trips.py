"""Properties: `--set` gives back what was said, shown settings read back, and every key's line is right."""

import tomllib
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from libra.config import load
from libra.config.lines import key_lines
from libra.config.overrides import apply_set, parse_value, split_assignment
from libra.config.problems import Problems
from libra.config.toml_text import plain_settings, to_toml, to_toml_key, to_toml_value
from libra.config.tree import Tree

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
scalars = st.one_of(
    text, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


def exact(value):
    """What TOML's floats become."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [exact(item) for item in value]
    return {key: exact(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(st.lists(text, min_size=1, max_size=4), values)
def test_set_round_trips(keys, value):
    tree, problems = Tree({}), Problems()
    path = ".".join(to_toml_key(key).replace("\\u007f", "\x7f") for key in keys)
    quoted = ".".join('"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"' for key in keys)
    apply_set(tree, f"{quoted}={to_toml_value(value)}", problems)
    assert not problems.found, path
    node = tree.plain()
    for key in keys:
        node = node[key]
    assert node == exact(value)


@given(st.text(max_size=30))
def test_any_value_is_toml_or_the_text_itself(said):
    value = parse_value(said)
    assert value == said or isinstance(value, (int, Decimal, list, dict, str)) or value is not None
    try:
        expected = tomllib.loads(f"value = {said}", parse_float=Decimal)
    except (tomllib.TOMLDecodeError, ValueError):
        expected = {"value": said}
    if expected.keys() != {"value"}:
        expected = {"value": said}
    assert repr(value) == repr(expected["value"])


@given(st.text(max_size=40))
def test_any_argument_is_split_or_refused(argument):
    split = split_assignment(argument)
    if split is not None:
        assert split[0]
        assert argument.endswith(split[1])


documents = st.dictionaries(
    text, st.one_of(values, st.lists(st.dictionaries(text, values, max_size=3), max_size=3)), max_size=5
)


@given(documents)
def test_written_toml_reads_back(document):
    assert tomllib.loads(to_toml(document), parse_float=Decimal) == exact(document)


def paths(value, path=()):
    if path:
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in children:
        yield from paths(item, (*path, key))


@given(documents)
def test_every_key_has_a_line(document):
    source = to_toml(document)
    lines = key_lines(source)
    assert set(lines) >= set(paths(document))
    rows = source.replace("\r\n", "\n").split("\n")
    for path, line in lines.items():
        assert 1 <= line <= len(rows)
        key = path[-1]
        if isinstance(key, str):
            assert to_toml_key(key) in rows[line - 1]


def test_lines_of_what_people_write():
    source = (
        "# [no]\n\n[a.b] # c\nx = [ # ]\n  1, '#',\n  {y = \"]\", z.w = 2},\n]\n"
        '[[t]]\nk = """\n[no]\n"""\n[[t]]\n[t.sub]\n"q.r" = 1979-05-27 07:32:00\n[[t.deep]]\nlast = \'\'\'a\'\'\'\'\n'
    )
    tomllib.loads(source)
    assert key_lines(source) == {
        ("a",): 3, ("a", "b"): 3, ("a", "b", "x"): 4, ("a", "b", "x", 0): 5, ("a", "b", "x", 1): 5,
        ("a", "b", "x", 2): 6, ("a", "b", "x", 2, "y"): 6, ("a", "b", "x", 2, "z"): 6, ("a", "b", "x", 2, "z", "w"): 6,
        ("t",): 8, ("t", 0): 8, ("t", 0, "k"): 9, ("t", 1): 12, ("t", 1, "sub"): 13, ("t", 1, "sub", "q.r"): 14,
        ("t", 1, "deep"): 15, ("t", 1, "deep", 0): 15, ("t", 1, "deep", 0, "last"): 16,
    }  # fmt: skip


def test_shown_settings_read_back(write):
    for profile in ("paper", "replay", write()):
        settings = load(profile, environ={})
        shown = to_toml(plain_settings(settings))
        assert load(write("shown.toml", shown), environ={}) == settings


def test_secrets_in_options_are_not_shown(write):
    path = write(
        swap={'{ kind = "paper" }': '{ kind = "python", class = "a.b:C", options = { api_key = "x", url = "u" } }'}
    )
    shown = plain_settings(load(path, environ={}))
    assert shown["account_groups"][0]["gateway"]["options"] == {"api_key": "***", "url": "u"}
