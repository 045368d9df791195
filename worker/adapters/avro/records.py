"""Our records on one side, the domain's values on the other: which field is which."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from typing_extensions import override

from worker.adapters.avro.frames import (
    DecodedRecord,
    FrameError,
    decode_frame,
    encode_frame,
)
from worker.application.ports import BadRecordError, Codec, RecordKind
from worker.domain.balances import BalanceRefresh, CardBalances
from worker.domain.card import Card
from worker.domain.commands import (
    Activate,
    AnyCommand,
    Inquiry,
    IssuePoints,
    Payment,
    RedeemPoints,
    Reload,
    Tip,
    Void,
)
from worker.domain.entry import Source
from worker.domain.money import Money
from worker.domain.replies import Balance
from worker.domain.resolutions import Resolution
from worker.domain.results import Evidence, Result
from worker.domain.states import FINAL, State
from worker.domain.status_checks import Purpose, StatusCheck

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordCodec(Codec):
    """The Codec port on Avro single-object encoding. Null `clientId` means the default client."""

    default_client_id: str

    @override
    def decode(
        self, kind: RecordKind, value: bytes | None
    ) -> AnyCommand | Resolution | BalanceRefresh | StatusCheck:
        try:
            record = decode_frame(value, accepted=ACCEPTED[kind])
        except FrameError as error:
            raise BadRecordError(error.reason, error.field) from error
        match kind:
            case RecordKind.BALANCE_REFRESH:
                return _balance_refresh(record.fields)
            case RecordKind.STATUS_CHECK:
                return _status_check(record.fields)
            case RecordKind.RESOLUTION:
                return self._resolution(record.fields)
            case RecordKind.COMMAND:
                return self._command(record)

    def _command(self, record: DecodedRecord) -> AnyCommand:
        return COMMANDS[record.name](record.fields, self._every_command(record.fields))

    def _resolution(self, fields: Fields) -> Resolution:
        return Resolution(
            client_id=self._client(fields),
            tran_order_no=fields["tranOrderNo"],
            outcome=State(fields["outcome"]),
            reason=fields["reason"],
            checkout_id=fields["checkoutId"],
            operator=fields["operator"],
            requested_at=fields["requestedAt"],
        )

    @override
    def result(self, result: Result) -> bytes:
        return encode_frame("paywizard.outcomes.TransactionResult", _result_fields(result))

    @override
    def balance_changed(self, balances: CardBalances) -> bytes:
        return encode_frame("paywizard.outcomes.BalanceChanged", _change_fields(balances))

    @override
    def balance_refresh(self, refresh: BalanceRefresh) -> bytes:
        return encode_frame(
            "paywizard.internal.BalanceRefresh",
            _card_fields(refresh.card)
            | {
                "entryType": refresh.entry_type,
                "tranOrderNo": refresh.cause,
                "requestedAt": refresh.requested_at,
            },
        )

    @override
    def status_check(self, check: StatusCheck) -> bytes:
        return encode_frame(
            "paywizard.internal.StatusCheck",
            {
                "clientId": check.client_id,
                "tranOrderNo": check.tran_order_no,
                "purpose": check.purpose.value,
                "issuedAt": check.issued_at,
                "replaces": None if check.replaces is None else _replaced(check.replaces),
            },
        )

    def _every_command(self, fields: Fields) -> dict[str, Any]:
        return {
            "tran_order_no": fields["tranOrderNo"],
            "client_id": self._client(fields),
            "requested_at": fields["requestedAt"],
            "expires_at": fields["expiresAt"],
        }

    def _client(self, fields: Fields) -> str:
        client_id: str | None = fields["clientId"]
        return self.default_client_id if client_id is None else client_id


def _on_card(fields: Fields) -> dict[str, Any]:
    return {
        "account_id": fields["accountId"],
        "entry_type": fields["entryType"],
        "loyalty_channel": fields["loyaltyChannel"],
    }


def _original(fields: Fields) -> dict[str, Any]:
    return {
        "original_tran_order_no": fields["originalTranOrderNo"],
        "original_checkout_id": fields["originalCheckoutId"],
        "account_id": fields["accountId"],
        "entry_type": fields["entryType"],
    }


def _money(fields: Fields) -> Money:
    """Half of an optional pair becomes money that `amount_fault` refuses by the other's name."""
    return Money(fields["amount"] or Decimal(0), fields["currency"] or "")


def _payment(fields: Fields, every: dict[str, Any]) -> Payment:
    # Null and false both mean "not allowed", and neither is sent (G15).
    allowed = bool(fields["nsfAllowed"])
    return Payment(**every, **_on_card(fields), money=_money(fields), nsf_allowed=allowed)


def _tip(fields: Fields, every: dict[str, Any]) -> Tip:
    return Tip(**every, **_original(fields), money=_money(fields))


def _reload(fields: Fields, every: dict[str, Any]) -> Reload:
    given = fields["amount"] is not None or fields["currency"] is not None
    return Reload(
        **every,
        **_on_card(fields),
        money=_money(fields) if given else None,
        activating=fields["activating"],
        customer_info=fields["customerInfo"],
    )


def _issue_points(fields: Fields, every: dict[str, Any]) -> IssuePoints:
    return IssuePoints(**every, **_on_card(fields), points=fields["points"])


def _redeem_points(fields: Fields, every: dict[str, Any]) -> RedeemPoints:
    return RedeemPoints(**every, **_on_card(fields), points=fields["points"])


def _void(fields: Fields, every: dict[str, Any]) -> Void:
    return Void(**every, **_original(fields))


def _activate(fields: Fields, every: dict[str, Any]) -> Activate:
    return Activate(
        **every,
        **_on_card(fields),
        activating=fields["activating"],
        customer_info=fields["customerInfo"],
    )


def _inquiry(fields: Fields, every: dict[str, Any]) -> Inquiry:
    return Inquiry(**every, **_on_card(fields))


COMMANDS: Final[Mapping[str, Callable[[Fields, dict[str, Any]], AnyCommand]]] = (
    MappingProxyType(
        {
            "paywizard.commands.PaymentCommand": _payment,
            "paywizard.commands.TipCommand": _tip,
            "paywizard.commands.ReloadCommand": _reload,
            "paywizard.commands.IssuePointsCommand": _issue_points,
            "paywizard.commands.RedeemPointsCommand": _redeem_points,
            "paywizard.commands.VoidCommand": _void,
            "paywizard.commands.ActivateCommand": _activate,
            "paywizard.commands.InquiryCommand": _inquiry,
        }
    )
)
ACCEPTED: Final = MappingProxyType(
    {
        RecordKind.COMMAND: frozenset(COMMANDS),
        RecordKind.RESOLUTION: frozenset({"paywizard.commands.ResolutionCommand"}),
        RecordKind.BALANCE_REFRESH: frozenset({"paywizard.internal.BalanceRefresh"}),
        RecordKind.STATUS_CHECK: frozenset({"paywizard.internal.StatusCheck"}),
    }
)
"""Which records belong on a topic; any other is WRONG_TOPIC."""


def _balance_refresh(fields: Fields) -> BalanceRefresh:
    return BalanceRefresh(
        card=Card(fields["clientId"], fields["loyaltyChannel"], fields["accountId"]),
        entry_type=fields["entryType"],
        cause=fields["tranOrderNo"],
        requested_at=fields["requestedAt"],
    )


def _status_check(fields: Fields) -> StatusCheck:
    replaced = fields["replaces"]
    return StatusCheck(
        client_id=fields["clientId"],
        tran_order_no=fields["tranOrderNo"],
        purpose=Purpose(fields["purpose"]),
        issued_at=fields["issuedAt"],
        replaces=None if replaced is None else _source_of(replaced),
    )


def _replaced(source: Source) -> dict[str, object]:
    return {
        "topicId": source.topic_id,
        "topic": source.topic,
        "partition": source.partition,
        "offset": source.offset,
    }


def _source_of(fields: Fields) -> Source:
    return Source(fields["topicId"], fields["topic"], fields["partition"], fields["offset"])


def _result_fields(result: Result) -> dict[str, object]:
    entry, outcome, request = result.entry, result.outcome, result.entry.request
    answer, money, card = outcome.answer, request.money, entry.card
    return {
        "eventId": result.event_id,
        "tranOrderNo": entry.tran_order_no,
        "clientId": entry.client_id,
        "operation": entry.operation.value,
        "status": entry.state.value,
        "reason": outcome.reason,
        "reasonDetail": outcome.reason_detail,
        "accountId": None if card is None else card.account_id,
        "loyaltyChannel": None if card is None else card.loyalty_channel,
        "requestedAmount": None if money is None else money.value,
        "requestedPoints": request.points,
        "currency": None if money is None else money.currency,
        "code": answer.code,
        "msg": answer.msg,
        "result": answer.result,
        "mid": answer.mid,
        "paywizardId": answer.paywizard_id,
        "checkoutId": answer.checkout_id,
        "transIndexCode": answer.trans_index_code,
        "oriCheckoutId": answer.ori_checkout_id,
        "oriTransIndexCode": answer.ori_trans_index_code,
        "amount": answer.amount,
        "timestamp": answer.timestamp,
        "balances": None if answer.balances is None else _balances(answer.balances),
        "decidedBy": outcome.decided_by.value,
        "attempts": entry.attempts,
        "receivedAt": request.received_at,
        "submittedAt": entry.submitted_at,
        "decidedAt": entry.decided_at if entry.state in FINAL else None,
        "source": {
            "topic": entry.source.topic,
            "partition": entry.source.partition,
            "offset": entry.source.offset,
        },
        "evidence": None if result.evidence is None else _evidence(result.evidence),
    }


def _evidence(evidence: Evidence) -> dict[str, object]:
    known = evidence.last_known_balances
    return {
        "submissions": [{"at": at} for at in evidence.submissions],
        "queries": [
            {"at": query.at, "identifier": query.identifier, "answer": query.answer}
            for query in evidence.queries
        ],
        "lastKnownBalances": None if known is None else _balances(known),
    }


def _change_fields(balances: CardBalances) -> dict[str, object]:
    return _card_fields(balances.card) | {
        "eventId": balances.event_id,
        "sequence": balances.sequence,
        "changes": [
            {"valueCode": change.value_code, "before": change.before, "after": change.after}
            for change in balances.changes
        ],
        "balances": _balances(balances.current),
        "causes": [{"tranOrderNo": cause} for cause in balances.causes],
        "observedAt": balances.observed_at,
        "timestamp": balances.timestamp,
    }


def _card_fields(card: Card) -> dict[str, object]:
    return {
        "clientId": card.client_id,
        "loyaltyChannel": card.loyalty_channel,
        "accountId": card.account_id,
    }


def _balances(balances: tuple[Balance, ...]) -> list[dict[str, object]]:
    return [
        {
            "valueCode": balance.value_code,
            "amount": balance.amount,
            "difference": balance.difference,
        }
        for balance in balances
    ]
