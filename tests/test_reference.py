"""The pages made of what the plugin says and gives are those of the plugin as it is.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import difflib

import pytest

import harness
import recipes
import reference


@pytest.mark.skipif(harness.series() != "4.0", reason="later series word tshark's lists otherwise")
def test_page_is_up_to_date():
    """Else run tests/reference.py."""
    there, now = reference.PAGE.read_text(), reference.page()
    assert there == now, "\n".join(difflib.unified_diff(there.splitlines(), now.splitlines()))


def test_every_field_has_a_meaning():
    """A field of an exchange says on which frames it stands."""
    rows = [line.split(" | ") for line in reference.fields() if line.startswith("| `")]
    assert len(rows) > 100
    for row in rows:
        assert len(row) == 6 and row[5].strip(" |"), row
        assert row[1] == "finding" or ": " in row[5], row


@pytest.mark.skipif(harness.series() != "4.0", reason="the page is made with 4.0")
def test_recipes_give_what_the_page_says():
    """Else run tests/recipes.py, and look at what changed."""
    text = recipes.PAGE.read_text()
    assert len(recipes.commands(text)) >= 9
    assert recipes.filled(text) == text
