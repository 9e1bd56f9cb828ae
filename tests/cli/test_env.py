import json

import backlight
from tests.cli.command import command


def test_it_tells_versions_and_folders():
    facts = json.loads(command("env", "--json").out)
    assert facts["backlight"] == backlight.__version__
    assert facts["cores"] >= 1
    assert facts["memory_gib"] > 0
    assert "backlight" in facts["cache"]
    lines = command("env").out.splitlines()
    assert len(lines) == len(facts)
    assert lines[0].split() == ["backlight", backlight.__version__]
