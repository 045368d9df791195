"""An admitted request under the fault plan: what it is about, what it meets, what it does."""

from ops.sandbox.paywizard.attempts import Attempts
from ops.sandbox.paywizard.bodies import Activate, Body, Inquire, Query
from ops.sandbox.paywizard.fault_kinds import (
    AnswerFault,
    Hide,
    Misreport,
    Pending,
    Repeat,
    Stage,
    WrongType,
)
from ops.sandbox.paywizard.faults import Encounter, Faults
from ops.sandbox.paywizard.processor import Handling, Processor
from ops.sandbox.paywizard.spoiling import can_retype
from ops.sandbox.paywizard.wire import Answer, success
from ops.sandbox.paywizard.world import Client


class Executor:
    """Lets the processor work as the plan wants it, and notes only what was really met."""

    def __init__(self, processor: Processor, attempts: Attempts, faults: Faults) -> None:
        self._processor = processor
        self._attempts = attempts
        self._faults = faults

    def encounter(self, client: Client, endpoint: str, body: Body) -> Encounter:
        """Count the request, and draw what it meets."""
        order_no, account_id = self._about(client, body)
        return self._faults.encounter(client.client_id, endpoint, order_no, account_id)

    def execute(
        self, encounter: Encounter, client: Client, body: Body
    ) -> tuple[Answer, AnswerFault | None]:
        """Execute without ever waiting: an effect, its count and its fault are one step."""
        lost = encounter.meet(Stage.REQUEST)
        if isinstance(lost, AnswerFault):
            return success(None), lost
        answer = self._processor.execute(client, body, self._handling(encounter, client, body))
        fault = encounter.fault(Stage.ANSWER)
        if isinstance(fault, WrongType) and not can_retype(answer, fault):
            return answer, None
        encounter.meet(Stage.ANSWER)
        return answer, fault if isinstance(fault, AnswerFault) else None

    def _about(self, client: Client, body: Body) -> tuple[str | None, str | None]:
        """The order number and the card that rules see."""
        match body:
            case Query():
                found = self._processor.find(client, body, by_order_no=True)
                if found is not None:
                    return found.intent.order_no, found.intent.account_id
                return body.checkout_id or body.trans_index_code, None
            case Activate() | Inquire():
                return None, body.account_id
            case _:
                return body.tran_order_no, self._attempts.of(client, body).intent.account_id

    def _handling(self, encounter: Encounter, client: Client, body: Body) -> Handling:
        view = encounter.view
        match body:
            case Activate() | Inquire():
                return Handling()
            case Query():
                if self._processor.find(client, body, by_order_no=view.by_order_number) is None:
                    return Handling(view=view)
                finding = encounter.meet(Stage.FINDING)
                assert finding is None or isinstance(finding, Hide | Misreport)
                return Handling(view=view, finding=finding)
            case _:
                return self._ordered(encounter, client, body.tran_order_no)

    def _ordered(self, encounter: Encounter, client: Client, order_no: str) -> Handling:
        repeat: Repeat | None = None
        if self._processor.executed_before(client, order_no):
            met = encounter.meet(Stage.REPETITION)
            assert met is None or isinstance(met, Repeat)
            repeat = met
            if repeat is not None and repeat.how != "execute":
                return Handling(repeat=repeat)
        pending = encounter.meet(Stage.RESULT)
        assert pending is None or isinstance(pending, Pending)
        return Handling(repeat=repeat, pending=pending)
