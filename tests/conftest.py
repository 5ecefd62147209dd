"""Fixtures of all tests."""

import pytest
from hypothesis import settings

from tests.support.commands import command  # noqa: F401 (fixture)
from tests.support.flow_tools import databases, tools  # noqa: F401 (fixtures)
from tests.support.networks import random_network

# the same cases in every run: what is found must not depend on the run that finds it, and `make soak` draws new ones
settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.load_profile("suite")


@pytest.fixture
def network():
    return random_network((20, 9, 3), input_bits=2)
