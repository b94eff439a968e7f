"""The page of the managers, docs/multiprocessing.md, typed as it is printed."""

import doctest
import pathlib
import re
import subprocess
import sys

PAGE = pathlib.Path(__file__).parents[3] / "docs" / "multiprocessing.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_page_prints_what_it_says():
    [text] = [block for block in BLOCKS if block.startswith(">>>")]
    typed = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(typed.examples) > 8
    told = []
    runner = doctest.DocTestRunner()
    runner.run(typed, out=told.append)
    assert runner.failures == 0, "".join(told)


def test_its_programs_count(tmp_path):
    server, client = (block for block in BLOCKS if not block.startswith(">>>"))
    # Only the port differs.
    server = server.replace("5000", "0").replace('input("key to stop")', "print(manager.address[1], flush=True); input()")
    (tmp_path / "server.py").write_text(server)
    with subprocess.Popen(
        [sys.executable, "-W", "error", "server.py"], cwd=tmp_path, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as serving:
        (tmp_path / "client.py").write_text(client.replace("5000", serving.stdout.readline().strip()))
        for total in ("1000", "2000"):
            heard = subprocess.run(
                [sys.executable, "-W", "error", "client.py"], cwd=tmp_path, text=True, capture_output=True, timeout=60
            )
            assert (heard.stdout.strip(), heard.stderr) == (total, "")
        serving.communicate("\n", timeout=60)
    assert serving.returncode == 0
