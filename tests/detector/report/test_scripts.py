"""Data as scripts: nothing in a value can end a script, and what is read back is what was written."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.report.scripts import Scripts, read_script

HOSTILE = "</script><script>alert(1)</script><!-- \u2028 \u2029 \ud800 סלעית \\ \" ' `${1}`"


def test_an_empty_value_is_a_script(tmp_path):
    Scripts(tmp_path).write("summary", {})
    assert (tmp_path / "summary.js").read_text() == 'hoopoe.take("summary",{});\n'


def test_what_a_file_is_called_stays_text(tmp_path):
    Scripts(tmp_path).write("a", [HOSTILE])
    content = (tmp_path / "a.js").read_bytes()
    assert content.isascii()
    assert b"<" not in content
    assert read_script(tmp_path / "a.js") == [HOSTILE]


@settings(max_examples=25)  # files
@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_value_is_read_back(tmp_path_factory, value):
    folder = tmp_path_factory.getbasetemp()
    Scripts(folder).write("any", value)
    assert read_script(folder / "any.js") == json.loads(json.dumps(value))


def test_numbers_that_are_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        Scripts(tmp_path).write("a", float("nan"))


def test_chunks_of_an_earlier_report_go(tmp_path):
    Scripts(tmp_path).write("index-0001", [])
    scripts = Scripts(tmp_path)
    scripts.write("index-0000", [])
    scripts.remove_others()
    assert [path.name for path in tmp_path.iterdir()] == ["index-0000.js"]
