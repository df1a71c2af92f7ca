"""Every example of docs/caching.md runs, one after the other."""
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs" / "caching.md"


def test_the_examples_run():
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)
    assert len(blocks) > 5
    names = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, str(DOCS), "exec"), names)


def test_every_option_is_explained():
    from dataclasses import fields

    from hutch.cache import Options
    text = DOCS.read_text()
    for field in fields(Options):
        assert f"| `{field.name}` |" in text, field.name
        assert f"`{field.name}`" in Options.__doc__, field.name
