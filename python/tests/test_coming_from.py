"""Each line of ours in docs/coming-from.md, run as it is printed."""

import pathlib
import re

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "coming-from.md"


def lines():
    """The code between the second and the third bar of each row."""
    for row in PAGE.read_text().splitlines():
        cells = row.split("|")
        if len(cells) == 5 and (code := re.fullmatch(r" `(.+)` ", cells[2])):
            yield code[1]


def test_every_line_does_as_printed(ch):
    names = {"ch": ch}
    count = 0
    for line in lines():
        exec(compile(line, line, "exec"), names)  # noqa: S102 - the page is ours
        count += 1
    assert count >= 40
    assert names["d"]["n"] == 1
    assert names["v"].get() == 1
    assert names["config"].get_many(["theme", "k"]) == {"theme": "light", "k": 6}
    assert names["s"] == {"a", "b"}
    assert names["l"] == [1, 2]
    assert names["cache"].copy() == {"n": 1}
    assert not names["lock"].locked()
