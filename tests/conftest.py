"""Fixtures of all tests."""

import pytest

from tests.support.commands import command  # noqa: F401 (fixture)
from tests.support.flow_tools import databases, tools  # noqa: F401 (fixtures)
from tests.support.networks import random_network


@pytest.fixture
def network():
    return random_network((20, 9, 3), input_bits=2)
