"""Processes that share: forked ones, spawned ones, and a client that goes over a fork."""

import multiprocessing
import os

from children import fork, wait_for

import commonhold

COUNT = 250


def count(url, key_file):
    with commonhold.connect(url, key_file=key_file) as ch:
        d = ch.dict("hits", durability="memory")
        for _ in range(COUNT):
            d.increment("n")


def test_forked_processes_lose_no_increment(ch):
    d = ch.dict("hits", durability="memory")
    d.increment("n", 0)

    def work():
        for _ in range(COUNT):
            d.increment("n")

    children = [fork(work) for _ in range(4)]
    work()
    for child in children:
        wait_for(child)
    assert d["n"] == 5 * COUNT


def test_spawned_processes_lose_no_increment(server, ch):
    spawn = multiprocessing.get_context("spawn")
    children = [
        spawn.Process(target=count, args=(server.url, server.key_file)) for _ in range(4)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    assert ch.dict("hits", durability="memory")["n"] == 4 * COUNT


def test_a_forked_child_gives_its_parents_connection_back(ch):
    ch.dict("hits").increment("n")

    def sockets():
        links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
        return {os.readlink(link) for link in links if os.path.islink(link)}

    parents = {link for link in sockets() if link.startswith("socket:")}

    def look():
        # Without a call: the connection is what the server watches. What the parent woke itself with may stay.
        assert len(parents & sockets()) < len(parents)

    assert parents
    wait_for(fork(look))
    assert ch.dict("hits").increment("n") == 2


def test_a_fork_warns_of_nothing_and_starts_no_thread(server):
    out = server.python(
        """
import os, commonhold
ch = commonhold.connect()
d = ch.dict("hits")
d.increment("n")
assert len(os.listdir("/proc/self/task")) == 1
child = os.fork()
assert d.increment("n") in (2, 3)
assert len(os.listdir("/proc/self/task")) == 1
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert d.increment("n") == 4
print("parent" if child else "child")
"""
    )
    assert sorted(out.split()) == ["child", "parent"]


def test_a_child_that_ends_takes_nothing_of_its_parents(server):
    # The child ends as Python programs do, with the inherited client being dropped.
    server.python(
        """
import os, sys, commonhold
ch = commonhold.connect()
d = ch.dict("hits")
d.increment("n")
for number in range(3):
    child = os.fork()
    if not child:
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert d.increment("n") == number + 2
"""
    )


def test_grandchildren_have_sessions_of_their_own(ch):
    d = ch.dict("hits")

    def grandchild():
        assert d.increment("n") == 3

    def child():
        assert d.increment("n") == 2
        wait_for(fork(grandchild))
        assert d.increment("n") == 4

    d.increment("n")
    wait_for(fork(child))
    assert d.increment("n") == 5
