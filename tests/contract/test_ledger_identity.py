"""Whether every ledger knows whose it is, and notices what it has lost (P9)."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.ledger_entries import AnyLedger, OpenLedger, an_entry, entry_in
from worker.application.ports import LedgerForeignError, Mark
from worker.domain.commit_note import CommitNote
from worker.domain.entry import Published
from worker.domain.identity import Affiliation, Identity
from worker.domain.states import State

TO = Affiliation(
    group_id="group-1",
    default_client="client-1",
    partitions={"internal.status-checks": 12, "internal.balance-refresh": 6},
)
SINCE = datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)


def a_note(identity: Identity, owner: str, counter: int) -> CommitNote:
    """What a commit of `owner` says beside its offset."""
    return CommitNote(identity.ledger_id, owner, counter, "topic-id")


async def note_of(ledger: AnyLedger, owner: str, identity: Identity) -> CommitNote:
    """What this process would commit now."""
    return a_note(identity, owner, ledger.counter)


# ── Binding ─────────────────────────────────────────────────────────────────────────────────


async def test_a_new_ledger_is_bound_to_its_group(open_ledger: OpenLedger) -> None:
    """The first start gives it an id; every other start, of any process, finds the same."""
    first = await (await open_ledger("owner-1")).bind(TO, [])
    assert first.ledger_id
    assert first == Identity(
        ledger_id=first.ledger_id,
        default_client="client-1",
        group_id="group-1",
        partitions=TO.partitions,
    )
    assert await (await open_ledger("owner-2")).bind(TO, []) == first


async def test_two_first_starts_at_once_are_one_ledger(open_ledger: OpenLedger) -> None:
    """Whoever comes second takes the id that is there."""
    ledgers = [await open_ledger(f"owner-{number}") for number in range(4)]
    identities = await asyncio.gather(*(ledger.bind(TO, []) for ledger in ledgers))
    assert len({identity.ledger_id for identity in identities}) == 1


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (replace(TO, group_id="group-2"), "belongs to consumer group 'group-1'"),
        (replace(TO, default_client="client-2"), "with default client 'client-1'"),
        (
            replace(TO, partitions={"internal.status-checks": 13}),
            "'internal.status-checks' has 13 partitions, but 12",
        ),
    ],
)
async def test_a_worker_of_another_kind_is_refused(
    open_ledger: OpenLedger, other: Affiliation, sentence: str
) -> None:
    """Another group, default client or number of partitions is told in one sentence."""
    identity = await (await open_ledger("owner-1")).bind(TO, [])
    newcomer = await open_ledger("owner-2")
    with pytest.raises(LedgerForeignError, match=sentence):
        await newcomer.bind(other, [])
    assert await newcomer.bind(TO, []) == identity


async def test_a_new_internal_topic_is_added(open_ledger: OpenLedger) -> None:
    """A later release may have one more; its count holds from then on."""
    ledger = await open_ledger("owner-1")
    await ledger.bind(TO, [])
    more = replace(TO, partitions={**TO.partitions, "internal.new": 3})
    assert (await ledger.bind(more, [])).partitions == more.partitions
    with pytest.raises(LedgerForeignError, match=r"internal\.new"):
        await ledger.bind(replace(TO, partitions={"internal.new": 4}), [])


async def test_a_group_with_a_history_is_not_bound_to_a_new_ledger(
    open_ledger: OpenLedger,
) -> None:
    """An empty ledger in the place of the group's own would pay again (P1)."""
    ledger = await open_ledger("owner-1")
    for committed in ([None], [CommitNote("another", "owner-0", 7, "topic-id")]):
        with pytest.raises(LedgerForeignError, match="never worked for it"):
            await ledger.bind(TO, committed)


async def test_a_ledger_that_no_offset_names_is_refused(open_ledger: OpenLedger) -> None:
    """The group's offsets were made with something else, or are gone altogether."""
    ledger = await open_ledger("owner-1")
    await ledger.bind(TO, [])
    with pytest.raises(LedgerForeignError, match="no committed offset names it"):
        await ledger.bind(TO, [None, None])
    entry = await entry_in(ledger, State.SUCCEEDED)
    assert (await ledger.bind(TO, [])).group_id == "group-1"  # stopped before its first commit
    await ledger.mark_published([Mark(*entry.key, Published.FIRST)])
    with pytest.raises(LedgerForeignError, match="no committed offset names it"):
        await ledger.bind(TO, [])


async def test_a_ledger_of_another_history_is_refused(open_ledger: OpenLedger) -> None:
    """One partition that names another ledger is enough."""
    ledger = await open_ledger("owner-1")
    identity = await ledger.bind(TO, [])
    own = await note_of(ledger, "owner-1", identity)
    other = replace(own, ledger_id="another")
    with pytest.raises(LedgerForeignError, match="name another ledger"):
        await ledger.bind(TO, [own, other])
    with pytest.raises(LedgerForeignError, match="name another ledger"):
        await ledger.verify([own, other])
    assert await ledger.bind(TO, [own, None]) == identity


# ── Lost commits ────────────────────────────────────────────────────────────────────────────


async def test_a_writers_count_moves_with_its_writes(open_ledger: OpenLedger) -> None:
    """What a process has written is in the ledger before it can be in a commit note."""
    first, second = await open_ledger("owner-1"), await open_ledger("owner-2")
    identity = await first.bind(TO, [])
    await second.bind(TO, [])
    before = first.counter
    await first.claim(an_entry())
    assert first.counter > before
    await second.verify([await note_of(first, "owner-1", identity)])
    await first.verify([await note_of(second, "owner-2", identity)])


async def test_a_ledger_that_lost_commits_is_refused(open_ledger: OpenLedger) -> None:
    """A writer that is missing, or has written less than a note says, shows an older copy."""
    ledger = await open_ledger("owner-1")
    identity = await ledger.bind(TO, [])
    await ledger.claim(an_entry())
    newcomer = await open_ledger("owner-2")
    for lost in (
        a_note(identity, "owner-1", ledger.counter + 1),
        a_note(identity, "owner-0", 0),
    ):
        for refused in (newcomer.bind(TO, [lost]), newcomer.verify([lost])):
            with pytest.raises(LedgerForeignError, match="has lost commits"):
                await refused
    kept = await note_of(ledger, "owner-1", identity)
    await newcomer.verify([kept])
    assert await newcomer.bind(TO, [kept]) == identity


async def test_a_ledger_without_identity_is_nobodys(open_ledger: OpenLedger) -> None:
    """Before its first start a ledger has nothing that a note could name."""
    with pytest.raises(LedgerForeignError, match="never worked for it"):
        await (await open_ledger("owner-1")).verify([])


# ── Adoption ────────────────────────────────────────────────────────────────────────────────


async def test_an_adopted_ledger_goes_on_where_the_notes_are(open_ledger: OpenLedger) -> None:
    """It takes the id and the counts that Kafka knows, and tells since when nothing is missing."""
    notes = [
        CommitNote("lost", "owner-0", 7, "topic-id"),
        CommitNote("lost", "owner-9", 0, "topic-id"),
    ]
    tool, worker = await open_ledger("tool"), await open_ledger("owner-1")
    with pytest.raises(LedgerForeignError):
        await worker.bind(TO, [*notes, None])
    await tool.adopt(TO, [*notes, None], SINCE)
    identity = await worker.bind(TO, [*notes, None])
    assert (identity.ledger_id, identity.group_id) == ("lost", "group-1")
    assert identity.adopted_since == SINCE
    await worker.verify(notes)
    with pytest.raises(LedgerForeignError, match="has lost commits"):
        await worker.verify([replace(notes[0], counter=8)])


async def test_adoption_forgets_no_count_and_no_later_time(open_ledger: OpenLedger) -> None:
    """A second adoption only makes it stricter."""
    ledger = await open_ledger("owner-1")
    identity = await ledger.bind(TO, [])
    for _ in range(3):
        await ledger.claim(an_entry())
    kept = await note_of(ledger, "owner-1", identity)
    await ledger.adopt(TO, [replace(kept, counter=1)], SINCE)
    again = await ledger.adopt(TO, [kept], SINCE - timedelta(hours=1))
    assert again.adopted_since == SINCE
    with pytest.raises(LedgerForeignError, match="has lost commits"):
        await ledger.verify([replace(kept, counter=kept.counter + 10)])
    await ledger.verify([kept])
    later = await ledger.adopt(TO, [kept], SINCE + timedelta(hours=1))
    assert later.adopted_since == SINCE + timedelta(hours=1)


async def test_a_group_without_notes_may_be_adopted(open_ledger: OpenLedger) -> None:
    """An operator reset the offsets by a tool: what the ledger knows stays."""
    ledger = await open_ledger("owner-1")
    identity = await ledger.bind(TO, [])
    with pytest.raises(LedgerForeignError):
        await ledger.bind(TO, [None])
    await ledger.adopt(TO, [None], SINCE)
    bound = await ledger.bind(TO, [None])
    assert bound == replace(identity, adopted_since=SINCE, awaits_name=True)


async def test_an_adopted_ledger_waits_to_be_named_through_any_number_of_starts(
    open_ledger: OpenLedger,
) -> None:
    """Each worker may end before its first commit; once a note has named it, one must."""
    ledger = await open_ledger("owner-1")
    await ledger.bind(TO, [])
    await ledger.adopt(TO, [None], SINCE)
    await ledger.bind(TO, [None])
    bound = await ledger.bind(TO, [None])
    named = CommitNote(bound.ledger_id, "owner-1", ledger.counter, "topic-id")
    assert not (await ledger.bind(TO, [named])).awaits_name
    with pytest.raises(LedgerForeignError):
        await ledger.bind(TO, [None])


@pytest.mark.parametrize(
    ("to", "ledgers", "sentence"),
    [
        (TO, ("one", "two"), "more than one ledger"),
        (replace(TO, default_client="client-2"), ("one", "one"), "default client"),
    ],
)
async def test_not_everything_can_be_adopted(
    open_ledger: OpenLedger, to: Affiliation, ledgers: tuple[str, str], sentence: str
) -> None:
    """Two histories at once, and another meaning of an absent client, are refused, and nothing changes."""
    ledger = await open_ledger("owner-1")
    identity = await ledger.bind(TO, [])
    notes = [CommitNote(name, "owner-0", 1, "topic-id") for name in ledgers]
    with pytest.raises(LedgerForeignError, match=sentence):
        await ledger.adopt(to, notes, SINCE)
    assert await ledger.bind(TO, []) == identity
