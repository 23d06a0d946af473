# SPDX-License-Identifier: Apache-2.0
"""Connections wait, grow old and are closed."""

from castwarden_gateway.outbound.connection import Connection
from castwarden_gateway.outbound.pool import Key, Pool
from castwarden_gateway.outbound.targets import Origin

HERE: Key = (Origin(False, "a.example", 80), None)
THERE: Key = (Origin(False, "b.example", 80), None)


def connection() -> Connection:
    made = Connection()
    made.usable = True
    return made


def test_the_newest_goes_out_first_and_only_to_its_own_origin() -> None:
    pool, first, second = Pool(10, 30.0, lambda: 0.0), connection(), connection()
    pool.give_back(HERE, first)
    pool.give_back(HERE, second)
    assert pool.take(THERE) is None
    assert pool.take(HERE) is second
    assert pool.take(HERE) is first
    assert pool.take(HERE) is None
    assert pool.count == 0


def test_one_that_is_too_old_or_closed_is_not_given_out() -> None:
    now = 0.0
    pool, old, broken = Pool(10, 30.0, lambda: now), connection(), connection()
    pool.give_back(HERE, old)
    now = 31.0
    pool.give_back(HERE, broken)
    broken.usable = False
    assert pool.take(HERE) is None
    assert not old.usable


def test_more_than_the_most_are_closed_and_the_old_make_room() -> None:
    now = 0.0
    pool = Pool(2, 30.0, lambda: now)
    early, late, last = connection(), connection(), connection()
    pool.give_back(HERE, early)
    pool.give_back(THERE, late)
    pool.give_back(HERE, last)
    assert not last.usable
    now = 31.0
    fresh = connection()
    pool.give_back(HERE, fresh)
    assert (early.usable, late.usable, fresh.usable, pool.count) == (False, False, True, 1)


def test_closing_closes_all() -> None:
    pool, waiting = Pool(2, 30.0, lambda: 0.0), connection()
    pool.give_back(HERE, waiting)
    pool.close()
    assert not waiting.usable
    assert pool.count == 0
