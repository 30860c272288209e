"""Contact strings, and the order of a job's states."""

from __future__ import annotations

import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyGlobus.gramClient import GramClientValueError, JobContact, JobInfo, JobState, ResourceContact
from pyGlobus.gramClient.history import JobHistory

HOSTS = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True)
PORTS = st.integers(1, 65535)
SERVICES = st.from_regex(r"[a-z][a-z0-9@._-]{0,20}", fullmatch=True)
SUBJECTS = st.from_regex(r"/[A-Za-z0-9=/ .:-]{1,40}", fullmatch=True)


@given(HOSTS, st.none() | PORTS, st.none() | SERVICES, st.none() | SUBJECTS)
def test_a_contact_that_is_built_reads_as_it_was_meant(
    host: str, port: int | None, service: str | None, subject: str | None
) -> None:
    contact = ResourceContact(host, port, service, subject)
    assert ResourceContact.parse(str(contact)) == contact
    assert ResourceContact.parse(f"https://{contact}") == contact
    assert pickle.loads(pickle.dumps(contact)) == contact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h", ResourceContact("h")),
        ("h:1", ResourceContact("h", 1)),
        ("h:1/s", ResourceContact("h", 1, "s")),
        ("h/s", ResourceContact("h", None, "s")),
        ("h:/s", ResourceContact("h", None, "s")),
        ("h::/O=x/CN=y", ResourceContact("h", None, None, "/O=x/CN=y")),
        ("h:1:/CN=y", ResourceContact("h", 1, None, "/CN=y")),
        ("h/s:/CN=y", ResourceContact("h", None, "s", "/CN=y")),
        ("h:/s:/CN=y", ResourceContact("h", None, "s", "/CN=y")),
        ("h:1/s:/CN=y", ResourceContact("h", 1, "s", "/CN=y")),
    ],
)
def test_all_the_forms_of_gct_are_read(text: str, expected: ResourceContact) -> None:
    assert ResourceContact.parse(text) == expected


@pytest.mark.parametrize("text", ["", "/s", ":1", "h:port", "h:0", "h:70000", "a b"])
def test_what_is_no_contact_is_told(text: str) -> None:
    with pytest.raises(GramClientValueError, match=r"host\[:port\]|contact"):
        ResourceContact.parse(text)


@given(HOSTS, PORTS, st.integers(0), st.integers(0))
def test_a_job_contact_is_printed_pickled_and_read(
    host: str, port: int, first: int, second: int
) -> None:
    text = f"https://{host}:{port}/{first}/{second}/"
    contact = JobContact.parse(text)
    assert (contact.host, contact.port, str(contact)) == (host, port, text)
    assert pickle.loads(pickle.dumps(contact)) == contact


@pytest.mark.parametrize("text", ["", "x", "https://h/1/2/", "https://h:0/1/", "ftp://h:1/1/"])
def test_what_is_no_job_contact_is_told(text: str) -> None:
    with pytest.raises(GramClientValueError, match="job contact"):
        JobContact.parse(text)


STATES = st.lists(
    st.sampled_from([one for one in JobState if one is not JobState.ALL]), min_size=1, max_size=12
)


@given(STATES)
def test_a_course_has_each_change_once_and_nothing_behind_the_end(states: list[JobState]) -> None:
    history = JobHistory()
    for state in states:
        history.note(JobInfo("j", state))
    kept = [info.state for info in history.changes]
    assert kept[0] is states[0]
    assert all(one is not other for one, other in itertools.pairwise(kept))
    assert all(not state.is_final for state in kept[:-1])
    assert history.is_over == any(state.is_final for state in states)


def test_a_state_that_was_overtaken_is_left_out() -> None:
    history = JobHistory()
    for state in (JobState.ACTIVE, JobState.PENDING, JobState.DONE, JobState.ACTIVE):
        history.note(JobInfo("j", state))
    assert [info.state for info in history.changes] == [JobState.ACTIVE, JobState.DONE]


def test_a_batch_system_may_take_a_job_back() -> None:
    history = JobHistory()
    states = [JobState.PENDING, JobState.ACTIVE, JobState.PENDING, JobState.ACTIVE, JobState.DONE]
    for state in states:
        history.note(JobInfo("j", state))
    assert [info.state for info in history.changes] == states
