"""What holds for every test: the environment is left as it was found.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os

import pytest


@pytest.fixture(autouse=True)
def same_environment():
    """A variable left set reaches every later test's programs, also those in a chroot."""
    before = dict(os.environ)
    yield
    after = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    before.pop("PYTEST_CURRENT_TEST", None)
    assert after == before
