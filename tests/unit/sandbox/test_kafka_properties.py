"""Kafka's settings, as a file and as the image's variables."""

from ops.sandbox.kafka.properties import as_environment, as_file, with_listeners

SETTINGS = with_listeners(("127.0.0.1", 1), ("127.0.0.1", 2), ("localhost", 3))


def test_clients_are_sent_to_the_advertised_address() -> None:
    """The node listens where it is told and sends clients where they can reach it."""
    assert SETTINGS["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"
    assert SETTINGS["advertised.listeners"] == "PLAINTEXT://localhost:3"
    assert SETTINGS["controller.quorum.voters"] == "1@127.0.0.1:2"


def test_every_internal_topic_has_a_single_replica() -> None:
    """With a factor above 1 a single node could never create its internal topics."""
    copies = {
        name: value
        for name, value in SETTINGS.items()
        if name.endswith(("replication.factor", "min.isr"))
    }
    assert len(copies) == 5
    assert set(copies.values()) == {"1"}


def test_topics_are_never_created_by_accident() -> None:
    """A misspelt topic is an error in the sandbox too."""
    assert SETTINGS["auto.create.topics.enable"] == "false"


def test_a_file_has_one_setting_a_line() -> None:
    """This is the form of server.properties."""
    assert as_file({"node.id": "1", "log.dirs": "/data"}) == "node.id=1\nlog.dirs=/data\n"


def test_the_image_gets_each_setting_as_a_variable() -> None:
    """Dots, underscores and dashes stay apart, as the image reads them back."""
    assert as_environment({"node.id": "1", "a_b.c-d": "x"}) == {
        "KAFKA_NODE_ID": "1",
        "KAFKA_A__B_C___D": "x",
    }
