"""Whether a store was sent as what was done is seen by what another wrote between the read and the store."""

import threading


def between(d, act, key="n"):
    """Another client adds 100 between the read of a number and the store of what `act` makes of it."""
    number = d[key]
    with_another(d, lambda other: other.increment(key, 100))
    d[key] = act(number)
    return d.get(key)


def with_another(d, act):
    # Another thread is another reader, whichever proxy it uses.
    thread = threading.Thread(target=act, args=(d,))
    thread.start()
    thread.join()
