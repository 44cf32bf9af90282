import pytest

from engine.errors import InternalError
from engine.pool import BufferPool


def test_a_released_buffer_is_lent_again() -> None:
    pool = BufferPool((1, 2, 3), prepare=1)
    first = pool.lease()
    array = first.array
    first.release()
    assert pool.lease().array is array
    assert pool.allocated == 1


def test_a_retained_lease_stays_out_until_its_last_release() -> None:
    pool = BufferPool((1,), prepare=1)
    lease = pool.lease()
    lease.retain()
    lease.release()
    assert pool.on_loan == 1
    lease.release()
    assert pool.on_loan == 0


def test_an_empty_pool_grows_and_counts() -> None:
    pool = BufferPool((1,))
    leases = [pool.lease() for _ in range(3)]
    assert pool.allocated == 3
    assert len({id(lease.array) for lease in leases}) == 3


def test_buffers_are_made_beforehand_up_to_a_number() -> None:
    pool = BufferPool((1,), prepare=1, limit=2)
    out = pool.lease()
    pool.prepare(4)
    assert pool.allocated == 4
    for lease in (out, *(pool.lease() for _ in range(3))):
        lease.release()
    pool.prepare(3)
    assert pool.allocated == 4


def test_a_leak_is_reported_at_the_limit() -> None:
    pool = BufferPool((1,), limit=2)
    pool.lease()
    pool.lease()
    with pytest.raises(InternalError, match="never releases"):
        pool.lease()


@pytest.mark.parametrize("action", ["release", "retain"])
def test_using_a_lease_after_its_last_release_is_our_bug(action: str) -> None:
    lease = BufferPool((1,)).lease()
    lease.release()
    with pytest.raises(InternalError):
        getattr(lease, action)()
