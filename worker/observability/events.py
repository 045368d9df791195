"""The stable codes of log lines: all there are, and what each says."""

from types import MappingProxyType
from typing import Final

EVENTS: Final = MappingProxyType(
    {
        "worker.starting": "The settings are valid; connections are being made.",
        "worker.started": "Ready for work: joined the consumer group.",
        "worker.draining": "Told to stop: nothing new is begun, what is open is finished.",
        "worker.stopped": "Everything is closed; the exit code follows.",
        "worker.failed": "The worker cannot go on; the line says why.",
        "worker.uncaught": "An error that nobody handled ended a thread or the process.",
        "watchdog.expired": "A loop made no progress; the process ends, exit code 70.",
        "command.completed": "A first outcome is committed; a warning if it is IN_DOUBT.",
        "command.decided": "A final outcome is committed that follows PENDING or IN_DOUBT.",
        "record.dead_letter": "A record became a dead letter, for the reason given.",
        "record.duplicate": "A record of an order number that another record holds, completed.",
        "record.completed": "A record was completed without an outcome; `how` says in which way.",
        "order.queried": "PayWizard was asked about an order, and nothing was decided.",
        "order.parked": "PayWizard was asked long enough: the order waits for an operator.",
        "order.resolved": "An operator decided an order; its final outcome follows.",
        "ledger.contradiction": "A late reply says otherwise than how its order ended: look.",
        "balance.refreshed": "A card's balance change is committed.",
        "balance.stale": "A card's balances could not be read; it is looked at again later.",
        "kafka.assigned": "Partitions were given to this process.",
        "kafka.revoked": "Partitions were taken from this process.",
        "kafka.partitions_left_out": "A stable group leaves partitions to nobody; it is assigned anew.",
        "kafka.transaction_discarded": "A Kafka transaction was given up; its records come again.",
        "kafka.producer_started": "The transactional producer is initialised.",
        "kafka.fenced": "Another process has this instance id; this one leaves.",
        "ledger.unavailable": "The ledger cannot be used; commands wait.",
        "ledger.late_reply": "A reply decided an order that was in doubt by then.",
        "ledger.lost_race": "Someone else moved the entry; it is read again.",
        "paywizard.call_failed": "A call broke off; the kinds of the error and of its cause.",
        "paywizard.circuit_opened": "A client's token was refused; its commands wait.",
        "paywizard.circuit_closed": "A client's token is taken again; its commands go on.",
        "paywizard.credentials_unusable": "The secret files are unusable; the old ones hold.",
        "paywizard.credentials_reloaded": "The secret files were read again.",
        "http.request_failed": "A request to the health port broke off or came too slowly.",
        "log.line_lost": "A line could not be written; its text is left out on purpose.",
    }
)
