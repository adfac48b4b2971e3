"""A file of jobs: its lines, what is wrong with them, its batches, and how far it has come."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.enqueue import (
    MAX_BATCH_BYTES,
    MAX_ENTRIES,
    Check,
    Columns,
    Done,
    Record,
    batches,
    read_columns,
    read_job_table,
    read_json_lines,
    read_ranges,
    unfit_for_queue,
)
from tank_mailer.core.errors import Reason
from tank_mailer.core.lines import BadLine, split_list
from tests.builders import make_body

# --- reading ---------------------------------------------------------------------------------------


def test_json_lines_are_numbered_and_located() -> None:
    found = list(read_json_lines(["{}\n", "\n", " \udcff\n", '{"a": 1}']))

    assert [(one.number, one.line) for one in found if isinstance(one, Record)] == [(0, 1), (2, 4)]
    assert [(one.line, one.reason) for one in found if isinstance(one, BadLine)] == [(3, Reason.NOT_JSON)]


def table(text: str) -> list[Record | BadLine]:
    return list(read_job_table(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("header", "row", "fields"),
    [
        pytest.param("email_id,TO", "a,x@e.org", {"email_id": "a", "to": "x@e.org"}, id="names-in-any-case"),
        pytest.param("to", "x@e.org; y@e.org;", {"to": ["x@e.org", "y@e.org"]}, id="several-recipients"),
        pytest.param("to,cc", "x@e.org,", {"to": "x@e.org"}, id="an-empty-cell-is-absent"),
        pytest.param("to,subject", "x@e.org,", {"to": "x@e.org", "subject": ""}, id="but-for-the-subject"),
        pytest.param("to,at_most_once", "x@e.org,Yes", {"to": "x@e.org", "at_most_once": True}, id="a-flag"),
        pytest.param("to,at_most_once", "x@e.org,often", {"to": "x@e.org", "at_most_once": "often"}, id="no-flag"),
        pytest.param(
            "to,header:X-A,headers",
            'x@e.org,1,"{""X-B"": ""2""}"',
            {"to": "x@e.org", "headers": {"X-A": "1", "X-B": "2"}},
            id="headers-of-both-kinds",
        ),
        pytest.param("to;tag:kind", "x@e.org;news", {"to": "x@e.org", "tags": {"kind": "news"}}, id="semicolons"),
    ],
)
def test_a_row_becomes_a_job(header: str, row: str, fields: dict[str, object]) -> None:
    (record,) = table(f"{header}\n{row}\n")

    assert isinstance(record, Record)
    assert json.loads(record.body) == fields
    assert (record.number, record.line) == (0, 2)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        pytest.param("a,b\n1,2\n", 1, Reason.MISSING_FIELD, id="no-names"),
        pytest.param("to,To\n", 1, Reason.BAD_FIELD, id="a-name-twice"),
        pytest.param('"to\n', 1, Reason.BAD_FIELD, id="a-first-row-that-is-no-CSV"),
        pytest.param("to,cc\nx@e.org\n", 2, Reason.BAD_FIELD, id="a-cell-is-missing"),
        pytest.param("to,tags\nx@e.org,kind\n", 2, Reason.BAD_FIELD, id="tags-that-are-no-JSON"),
        pytest.param("to,tags\nx@e.org,[]\n", 2, Reason.BAD_FIELD, id="tags-that-are-no-object"),
        pytest.param('to,tag:a,tags\nx@e.org,1,"{""a"": 2}"\n', 2, Reason.BAD_FIELD, id="a-tag-twice"),
        pytest.param("to\n\udcff\n", 2, Reason.BAD_FIELD, id="not-UTF-8"),
    ],
)
def test_bad_rows(text: str, line: int, reason: Reason) -> None:
    (fault,) = table(text)

    assert isinstance(fault, BadLine)
    assert (fault.line, fault.reason) == (line, reason)


def test_rows_are_numbered_whether_they_are_bad_or_not() -> None:
    found = table('to,body\nx@e.org,"a\nb"\nshort\n\ny@e.org,c\n')

    assert [(one.line, getattr(one, "number", None)) for one in found] == [(2, 0), (4, None), (6, 2)]


def test_columns_that_are_no_fields_are_named() -> None:
    columns = read_columns(["to,tag:x,header:,shoe_size\n"])

    assert isinstance(columns, Columns)
    assert columns.unknown == ("header:", "shoe_size")
    assert read_columns([]) is None


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("a; b;;c ", ["a", "b", "c"], id="parts"),
        pytest.param('"A; B" <a@e.org>; c', ['"A; B" <a@e.org>', "c"], id="quotes-keep-together"),
        pytest.param('"A; b', ['"A; b'], id="an-open-quote"),
    ],
)
def test_split_list(cell: str, parts: list[str]) -> None:
    assert split_list(cell) == parts


# --- checking --------------------------------------------------------------------------------------


def test_each_id_is_there_once() -> None:
    check = Check()

    faults = [check.fault(Record(n, n + 1, make_body(email_id=name))) for n, name in enumerate("aba")]

    assert [fault and (fault.line, fault.reason, fault.email_id) for fault in faults] == [
        None,
        None,
        (3, Reason.DUPLICATE, "a"),
    ]


def test_a_bad_job_does_not_take_an_id() -> None:
    check = Check()

    assert check.fault(Record(0, 1, make_body(to="nobody"))) is not None
    assert check.fault(Record(1, 2, make_body())) is None


@pytest.mark.parametrize("odd", ["\uffff", "\ufffe", "\x0b"])
def test_what_sqs_does_not_take(odd: str) -> None:
    assert unfit_for_queue(f"a{odd}b") is not None
    assert unfit_for_queue("a\t\r\n\U0001f600é") is None


# --- batches ---------------------------------------------------------------------------------------


@given(st.lists(st.integers(min_value=0, max_value=MAX_BATCH_BYTES), max_size=40))
def test_batches_keep_order_and_limits(sizes: list[int]) -> None:
    records = [Record(n, n, "x" * size) for n, size in enumerate(sizes)]

    found = list(batches(records))

    assert [record for batch in found for record in batch] == records
    assert all(0 < len(batch) <= MAX_ENTRIES for batch in found)
    assert all(sum(len(record.body) for record in batch) <= MAX_BATCH_BYTES for batch in found)


def test_a_batch_is_full_when_it_can_be() -> None:
    assert [len(batch) for batch in batches(Record(n, n, "é" * 10) for n in range(25))] == [10, 10, 5]


# --- how far it has come ---------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(min_value=0, max_value=60)), max_size=8))
def test_done_knows_what_was_added(groups: list[list[int]]) -> None:
    done, plain = Done(), set[int]()
    for group in groups:
        done.add(group)
        plain.update(group)

    assert {number for number in range(62) if number in done} == plain
    assert len(done) == len(plain)
    assert all(last + 1 < first for (_, last), (first, _) in zip(done.ranges, done.ranges[1:], strict=False))
    assert read_ranges(json.loads(json.dumps(done.ranges))) == done


@pytest.mark.parametrize("found", [None, "[]", 1, [1], [[1]], [[2, 1]], [[-1, 1]], [["a", "b"]]])
def test_what_are_no_ranges(found: object) -> None:
    assert read_ranges(found) is None
