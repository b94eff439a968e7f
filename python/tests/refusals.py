"""What is raised."""

import pytest


def raises(error, match=None):
    """As pytest's, with the pattern at hand."""
    return pytest.raises(error, match=match)
