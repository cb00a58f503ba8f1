"""The bounded memory of verified results."""

from __future__ import annotations

import threading

import pytest

from app.attestation.formats.dcap_cache import VerifiedCache, digest_of


def test_a_failure_is_not_kept() -> None:
    """The next who asks is verified again."""
    cache: VerifiedCache[int] = VerifiedCache(2)

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get(b"a", fail)
    assert len(cache) == 0
    assert cache.get(b"a", lambda: 1) == 1


def test_forgets_what_was_used_longest_ago() -> None:
    """Strangers with genuine platforms cannot fill the memory."""
    cache: VerifiedCache[int] = VerifiedCache(2)
    for key in (b"a", b"b", b"a", b"c"):
        cache.get(key, lambda: 1)
    assert len(cache) == 2
    assert cache.get(b"a", lambda: 2) == 1
    assert cache.get(b"b", lambda: 2) == 2


def test_no_two_lists_of_parts_have_one_digest() -> None:
    """Where a part ends is part of the digest."""
    lists = [(b"ab",), (b"a", b"b"), (b"", b"ab"), (b"ab", b""), ()]
    assert len({digest_of(*parts) for parts in lists}) == len(lists)


def test_threads_share_it() -> None:
    """Many at once get what one of them made."""
    cache: VerifiedCache[int] = VerifiedCache(8)
    found: list[int] = []

    def use() -> None:
        found.extend(cache.get(bytes([key % 8]), lambda: 7) for key in range(500))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {7}
    assert len(cache) == 8
