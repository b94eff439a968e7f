"""The README's lines of Python, typed in order: what they print is what is printed."""

import doctest
import pathlib
import re

README = pathlib.Path(__file__).parents[2] / "README.md"


def test_the_readme_s_python_prints_what_it_says(server, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMMONHOLD_URL", server.url)
    monkeypatch.setenv("COMMONHOLD_AUTHKEY_FILE", server.key_file)
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    # Only where the server is differs.
    text = "\n".join(blocks).replace("unix:///run/user/1000/commonhold.sock", server.url)
    tour = doctest.DocTestParser().get_doctest(text, {}, "README.md", str(README), 0)
    assert len(tour.examples) > 15
    told = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(tour, out=told.append)
    assert runner.failures == 0, "".join(told)
