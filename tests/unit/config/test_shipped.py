"""What Libra carries: profiles, their schema, and an import that stays light."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from libra.config import json_schema, list_profiles, load

CONFIG = Path(__file__).resolve().parents[3] / "config"
ACTORS = CONFIG.parent / "actors"


def test_the_committed_schema_is_current():
    committed = json.loads((CONFIG / "schema.json").read_text(encoding="utf-8"))
    assert committed == json_schema(), "write it anew: libra config schema > config/schema.json"


def test_every_field_is_documented():
    schema = json_schema()
    for table in (schema, *schema["$defs"].values()):
        for name, entry in table.get("properties", {}).items():
            assert entry.get("description"), f"{table.get('title')}.{name}"


@pytest.mark.parametrize("name", ["ccxt_sim", "cluster", "paper", "replay", "two_nodes"])
def test_the_profiles_are_valid_from_anywhere(name):
    settings = load(name, environ={})
    assert settings.node.name == name
    for account in settings.account_groups:
        assert account.risk.max_daily_loss == 5000
        assert settings.instruments_of(account.name)


def test_parts_are_not_listed_as_profiles():
    assert sorted(list_profiles()) == ["ccxt_sim", "cluster", "paper", "replay", "two_nodes"]


def test_a_local_profile_hides_a_carried_one(write):
    from tests.unit.config.conftest import PROFILE

    write("config/paper.toml", PROFILE)
    assert load("paper", environ={}).node.name == "test"


def test_the_command_line_starts_without_heavy_imports():
    code = (
        "import sys, libra.cli.main, libra.errors\n"
        "heavy = {'pydantic', 'rich', 'pyarrow', 'asyncio', 'libra_core'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    env = {**os.environ, "PYTHONPATH": str(ACTORS)}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


def test_configuration_needs_no_native_core():
    code = "import sys, libra.config\nassert 'libra_core' not in sys.modules and 'libra.core' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ACTORS)})
