"""Managers for tests."""

import pytest

from commonhold.multiprocessing import Manager


@pytest.fixture
def manager():
    with Manager() as manager:
        yield manager
