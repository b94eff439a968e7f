"""Proxies that go to other processes.

What is pickled is where the object is and how its proxy was made, never the key: who unpickles it finds that as `connect`
does. All proxies of one server share a client then: one that the process has anyway, or one that is made for them.
"""

import os

from commonhold import _native
from commonhold.codecs import codec_of

#: For how many seconds an anonymous object that was pickled is kept for who unpickles it.
KEPT = 60

# The clients that were made for what was unpickled: nothing else keeps them.
_own = {}


def reduce(proxy):
    """What pickle and copy make of a proxy."""
    client = object.__getattribute__(proxy, "client")
    name, kind = (object.__getattribute__(proxy, own) for own in ("name", "kind"))
    oid = None
    if name is None:
        proxy._pin(KEPT)
        oid = proxy._oid
    return rebuild, (client._where(), kind, name, oid, proxy._made, getattr(proxy, "_options", None))


def rebuild(where, kind, name, oid, made, block):
    """The proxy that was pickled, of this process's client."""
    from commonhold import client as clients

    client = client_at(*where)
    durability, exists, options, fence = made
    more = {} if block is None else dict(zip(("wait", "lease", "note"), block))
    kind_of = clients.KINDS[kind]
    if name is not None:
        return kind_of(
            client, kind, name, durability=durability, exists=exists, options=options, fence=fence, **more
        )
    # What a call returns keeps its object; what is only told does not.
    told = clients.KINDS["value"](client, "value", None, options={"initial": _native.Object(client, kind, None, oid=oid)})
    found = told.get()
    if fence is None and not more:
        return found
    return kind_of(client, kind, None, like=found, fence=fence, **more)


def client_at(url, key_file, codec):
    """This process's client of a server: one that is open, else a new one that stays."""
    from commonhold import client as clients
    from commonhold import embedded

    def fits(client):
        return client._where()[0] == url and not client.closed and same_codec(client._codec, codec)

    own = (url, key_file, _name_of(codec))
    kept = _own.get(own)
    if kept is not None and not kept.closed:
        return kept
    for client in list(clients.opened):
        if fits(client):
            return client
    if url.startswith("folder:"):
        # Where the folder was moved away it is not made anew, with nothing in it.
        os.stat(url.removeprefix("folder:"))
        made = _own[own] = embedded.Embedded(url.removeprefix("folder:"), name=clients.own_name(), codec=codec)
        return made
    # The file is one of the machine where it was pickled.
    there = key_file if key_file is not None and os.path.exists(key_file) else None
    made = _own[own] = clients.Client(url, key_file=there, name=clients.own_name(), codec=codec)
    return made


def same_codec(one, other):
    """Do both read what the other wrote?"""
    return _name_of(one) == _name_of(other)


def _name_of(codec):
    codec = codec_of(codec)
    return None if codec is None else codec.name
