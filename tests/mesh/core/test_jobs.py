"""Who may do which work: leases under epochs, near the bytes, elsewhere after a failure, and never without end."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.core.jobs import (
    ASKER_FRESH_MS,
    ATTEMPTS_MAX,
    BACKOFF_MAX_MS,
    ELSEWHERE_WAIT_MS,
    FRAMES,
    LEASE_MS,
    NEAR_WAIT_MS,
    SCENES,
    SCENES_VERSION,
    LeaseBook,
    Work,
    backoff_ms,
    fields_of,
    job_id,
    job_of,
    new_job,
    wanted,
)
from mesh.core.rows import Row
from mesh.ports import NotFound, Refused
from proto.ids import AssetId, ModelId, NodeId

A, B, C, GRANTER = (NodeId(name * 52) for name in "abcg")
ASSET = AssetId("s" * 26)
LOOK = Work(FRAMES, "model@1")
CUT = Work(SCENES, SCENES_VERSION)
NOW = 1_000_000


def book_with(*jobs):
    book = LeaseBook(GRANTER)
    for job in jobs:
        book.take(job)
    return book


def test_the_same_work_has_the_same_id_and_other_work_another():
    assert job_id(ASSET, LOOK) == job_id(ASSET, Work(FRAMES, "model@1"))
    others = {job_id(ASSET, CUT), job_id(ASSET, Work(FRAMES, "model@2")), job_id("t" * 26, LOOK)}
    assert len(others) == 3
    assert job_id(ASSET, LOOK) not in others


def test_a_take_wants_frames_of_every_model_and_scenes_only_once_it_is_whole():
    models = [ModelId("b@1"), ModelId("a@1")]
    fields = {"kind": "take", "state": "recording"}
    assert wanted(fields, models) == []
    whole = fields | {"state": "interrupted"}
    assert wanted(whole, models) == [CUT, Work(FRAMES, "a@1"), Work(FRAMES, "b@1")]
    assert wanted(whole | {"trashed_ms": 5}, models) == []


def test_a_file_wants_work_once_l0_has_said_what_it_is():
    models = [ModelId("b@1")]
    file = {"state": "ready", "probed": "1"}
    assert wanted({"kind": "video", "state": "ready"}, models) == []
    assert wanted(file | {"kind": "image"}, models) == [Work(FRAMES, "b@1")]
    assert wanted(file | {"kind": "audio"}, models) == []
    assert wanted(file | {"kind": "video"}, []) == [CUT]


def test_a_job_is_what_its_row_says():
    job = dataclasses.replace(new_job(ASSET, LOOK, NOW, (A,)), epoch=(3, GRANTER), tried=(B,), error="why")
    assert job_of(Row("jobs", ASSET, job.job, fields_of(job), {}, NOW)) == job


def test_a_row_of_nonsense_is_a_queued_job_without_more():
    job = job_of(Row("jobs", ASSET, "j", {"epoch": "x", "near": 5, "state": 7, "attempts": None}, {}, NOW))
    assert (job.state, job.epoch, job.near, job.attempts) == ("queued", (0, ""), (), 0)


def test_scenes_go_before_frames_and_the_older_before_the_newer():
    old, new = new_job(ASSET, LOOK, NOW - 9), new_job(AssetId("t" * 26), LOOK, NOW)
    cut = new_job(ASSET, CUT, NOW)
    book = book_with(new, old, cut)
    assert [job.job for job in book.ask(A, [LOOK, CUT], 9, NOW)] == [cut.job, old.job, new.job]


def test_a_node_gets_only_what_it_can_do_and_no_more_than_it_asked_for():
    book = book_with(new_job(ASSET, LOOK, NOW), new_job(AssetId("t" * 26), LOOK, NOW))
    assert book.ask(A, [CUT], 9, NOW) == []
    assert len(book.ask(A, [LOOK], 1, NOW)) == 1
    assert len(book.ask(A, [LOOK], 9, NOW, lambda job: False)) == 0


def test_a_leased_job_is_not_given_again_until_its_lease_runs_out():
    book = book_with(new_job(ASSET, LOOK, NOW))
    (lease,) = book.ask(A, [LOOK], 1, NOW)
    assert (lease.epoch, lease.holder, lease.attempts) == ((1, GRANTER), A, 1)
    assert book.ask(B, [LOOK], 1, NOW + LEASE_MS - 1) == []
    book.renew(lease.job, lease.epoch, A, NOW + LEASE_MS - 1)
    assert book.expire(NOW + 2 * LEASE_MS - 2) == []
    (back,) = book.expire(NOW + 2 * LEASE_MS)
    assert (back.state, back.tried) == ("queued", (A,))
    assert "stopped" in back.error
    (again,) = book.ask(B, [LOOK], 1, back.after_ms)
    assert again.epoch == (2, GRANTER)


def test_who_lost_the_lease_can_neither_renew_nor_finish():
    book = book_with(new_job(ASSET, LOOK, NOW))
    (first,) = book.ask(A, [LOOK], 1, NOW)
    (back,) = book.expire(NOW + LEASE_MS)
    (second,) = book.ask(B, [LOOK], 1, back.after_ms)
    with pytest.raises(Refused, match="given out again"):
        book.renew(first.job, first.epoch, A, back.after_ms)
    with pytest.raises(Refused):
        book.finish(first.job, first.epoch, A, back.after_ms)
    assert book.finish(second.job, second.epoch, B, back.after_ms).state == "done"
    with pytest.raises(NotFound):
        book.renew(second.job, second.epoch, B, back.after_ms)


def test_a_failure_is_tried_elsewhere_after_a_rest_and_the_last_error_is_kept():
    book = book_with(new_job(ASSET, LOOK, NOW))
    book.ask(B, [CUT, LOOK], 0, NOW)
    (lease,) = book.ask(A, [LOOK], 1, NOW)
    back = book.finish(lease.job, lease.epoch, A, NOW, "the worker died")
    assert (back.state, back.error, back.after_ms) == ("queued", "the worker died", NOW + backoff_ms(1))
    assert book.ask(B, [LOOK], 1, back.after_ms - 1) == []
    assert book.ask(A, [LOOK], 1, back.after_ms) == []  # B works and has not tried
    (second,) = book.ask(B, [LOOK], 1, back.after_ms)
    assert second.holder == B


def test_the_only_node_tries_again_itself():
    book = book_with(new_job(ASSET, LOOK, NOW))
    (lease,) = book.ask(A, [LOOK], 1, NOW)
    back = book.finish(lease.job, lease.epoch, A, NOW, "the worker died")
    assert len(book.ask(A, [LOOK], 1, back.after_ms)) == 1


def test_a_node_that_failed_gets_it_again_when_no_other_took_it():
    book = book_with(new_job(ASSET, LOOK, NOW))
    (lease,) = book.ask(A, [LOOK], 1, NOW)
    back = book.finish(lease.job, lease.epoch, A, NOW, "the worker died")
    late = back.after_ms + ELSEWHERE_WAIT_MS
    book.ask(B, [LOOK], 0, late)
    assert len(book.ask(A, [LOOK], 1, late)) == 1


def test_after_the_last_attempt_or_a_hopeless_error_it_has_failed():
    book = book_with(new_job(ASSET, LOOK, NOW))
    now_ms = NOW
    for attempt in range(1, ATTEMPTS_MAX + 1):
        (lease,) = book.ask(A, [LOOK], 1, now_ms)
        ended = book.finish(lease.job, lease.epoch, A, now_ms, f"failure {attempt}")
        now_ms = ended.after_ms
    assert (ended.state, ended.attempts, ended.error) == ("failed", ATTEMPTS_MAX, f"failure {ATTEMPTS_MAX}")
    book = book_with(new_job(ASSET, LOOK, NOW))
    (lease,) = book.ask(A, [LOOK], 1, NOW)
    assert book.finish(lease.job, lease.epoch, A, NOW, "no picture in it", again=False).state == "failed"
    assert len(book) == 0


def test_a_job_goes_near_its_bytes_first_and_soon_to_anyone():
    book = book_with(new_job(ASSET, LOOK, NOW, (A,)))
    book.ask(A, [LOOK], 0, NOW)
    assert book.ask(B, [LOOK], 1, NOW) == []
    assert len(book.ask(A, [LOOK], 1, NOW)) == 1
    book = book_with(new_job(ASSET, LOOK, NOW, (A,)))
    book.ask(A, [LOOK], 0, NOW)
    assert len(book.ask(B, [LOOK], 1, NOW + NEAR_WAIT_MS)) == 1


@pytest.mark.parametrize("near_can", [False, True])
def test_a_job_does_not_wait_for_a_near_node_that_does_not_work(near_can):
    book = book_with(new_job(ASSET, LOOK, NOW, (A,)))
    if near_can:
        book.ask(A, [LOOK], 0, NOW - ASKER_FRESH_MS - 1)
    else:
        book.ask(A, [CUT], 0, NOW)
    assert len(book.ask(B, [LOOK], 1, NOW)) == 1


def test_the_rest_between_attempts_grows_and_is_bounded():
    rests = [backoff_ms(attempt) for attempt in range(1, 40)]
    assert rests == sorted(rests)
    assert rests[-1] == BACKOFF_MAX_MS


def test_an_old_lease_seen_late_changes_nothing():
    job = new_job(ASSET, LOOK, NOW)
    book = book_with(job)
    book.take(dataclasses.replace(job, state="leased", epoch=(4, A), holder=B, until_ms=NOW + LEASE_MS))
    book.take(job)
    assert book.ask(C, [LOOK], 1, NOW) == []
    (back,) = book.expire(NOW + LEASE_MS)
    (lease,) = book.ask(C, [LOOK], 1, back.after_ms)
    assert lease.epoch == (5, GRANTER)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("ask", "renew", "finish", "fail", "expire", "exchange")),
        st.integers(0, 1),
        st.sampled_from((A, B, C)),
        st.integers(0, 20_000),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_two_books_never_go_back_on_an_epoch_and_every_job_ends(steps):
    """Both of a cut-off pair grant; what one saw as the highest epoch it never undercuts; attempts are bounded."""
    books = [LeaseBook(NodeId("g" * 52)), LeaseBook(NodeId("h" * 52))]
    job = new_job(ASSET, LOOK, NOW)
    rows = [job, job]
    for book in books:
        book.take(job)
    seen = [(0, ""), (0, "")]
    leases = {A: None, B: None, C: None}
    now_ms = NOW
    for step, number, node, passed_ms in steps:
        now_ms += passed_ms
        book = books[number]
        made = None
        try:
            match step:
                case "ask":
                    for made in book.ask(node, [LOOK], 1, now_ms):
                        assert made.epoch > seen[number]
                        assert made.attempts <= ATTEMPTS_MAX
                        leases[node] = made
                case "renew" if leases[node]:
                    made = book.renew(job.job, leases[node].epoch, node, now_ms)
                    assert leases[node].epoch >= seen[number]
                case "finish" if leases[node]:
                    made = book.finish(job.job, leases[node].epoch, node, now_ms)
                    assert leases[node].epoch >= seen[number]
                case "fail" if leases[node]:
                    made = book.finish(job.job, leases[node].epoch, node, now_ms, "died")
                case "expire":
                    for made in book.expire(now_ms):
                        assert made.state in ("queued", "failed")
                case "exchange":
                    newest = max(rows, key=lambda one: one.epoch)
                    for at, one in enumerate(books):
                        one.take(newest)
                        rows[at] = newest
                        seen[at] = max(seen[at], newest.epoch) if newest.open else (0, "")
        except (Refused, NotFound):
            continue
        if made is not None:
            rows[number] = made
            seen[number] = max(seen[number], made.epoch) if made.open else (0, "")
    # Left to one book that hears no more, the job ends within its attempts.
    book = books[0]
    for _ in range(4 * ATTEMPTS_MAX):
        now_ms += BACKOFF_MAX_MS + LEASE_MS
        book.expire(now_ms)
        book.ask(A, [LOOK], 1, now_ms)
    assert len(book) == 0


def test_a_result_that_comes_after_the_lease_ran_out_counts_while_nobody_else_has_the_job():
    book = book_with(new_job(ASSET, LOOK, NOW))
    (lease,) = book.ask(A, [LOOK], 1, NOW)
    book.expire(NOW + LEASE_MS)
    with pytest.raises(Refused, match="no longer yours"):
        book.renew(lease.job, lease.epoch, A, NOW + LEASE_MS)
    assert book.finish(lease.job, lease.epoch, A, NOW + LEASE_MS).state == "done"


def test_a_lease_another_book_granted_is_renewed_and_finished_here_for_its_holder():
    other = LeaseBook(NodeId("h" * 52))
    job = new_job(ASSET, LOOK, NOW)
    book = book_with(job)
    other.take(job)
    (lease,) = other.ask(A, [LOOK], 1, NOW)
    renewed = book.renew(lease.job, lease.epoch, A, NOW + 5)
    assert (renewed.state, renewed.holder, renewed.epoch) == ("leased", A, lease.epoch)
    with pytest.raises(Refused):
        book.renew(lease.job, lease.epoch, B, NOW + 5)
    assert book.finish(lease.job, lease.epoch, A, NOW + 9).state == "done"


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.sampled_from(("queued", "leased", "done"))), max_size=40
    )
)
def test_what_is_given_out_is_in_order_whatever_order_rows_came_in_and_however_they_changed(changes):
    book = LeaseBook(GRANTER)
    latest = {}
    for number, created, state in changes:
        base = new_job(AssetId(f"{number:026d}"), LOOK if number % 2 else CUT, NOW + created)
        job = dataclasses.replace(base, state=state, until_ms=NOW + LEASE_MS)
        latest[job.job] = job
        book.take(job)
    queued = [job for job in latest.values() if job.state == "queued"]
    queued.sort(key=lambda job: (job.priority, job.created_ms, job.job))
    later_ms = NOW + LEASE_MS - 1
    assert [job.job for job in book.ask(A, [LOOK, CUT], 64, later_ms)] == [job.job for job in queued]
    leased = {job.job for job in latest.values() if job.state == "leased"}
    assert {job.job for job in book.expire(later_ms + 1)} == leased
    assert len(book) == len(queued) + len(leased)


def test_what_a_stopping_node_gives_back_is_another_s_at_once_and_counts_as_no_attempt():
    book = book_with(dataclasses.replace(new_job(ASSET, LOOK, NOW), near=(A,)))
    (lease,) = book.ask(A, [LOOK], 1, NOW)
    with pytest.raises(Refused):
        book.give_back(lease.job, lease.epoch, B)
    back = book.give_back(lease.job, lease.epoch, A)
    assert (back.state, back.attempts, back.tried, back.holder) == ("queued", 0, (), "")
    with pytest.raises(Refused):
        book.finish(lease.job, lease.epoch, A, NOW)
    (again,) = book.ask(B, [LOOK], 1, NOW + 1)
    assert (again.holder, again.attempts, again.epoch) == (B, 1, (2, GRANTER))
