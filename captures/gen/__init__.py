"""Building blocks of the captures: packets (tcp), messages (mqtt, kafka), scenes made of them.

SPDX-License-Identifier: GPL-2.0-or-later
"""
