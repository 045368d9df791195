"""Kafka's settings, as a file and as the image's variables."""

from collections.abc import Mapping

from ops.sandbox.kafka.properties import (
    as_environment,
    as_file,
    joined,
    proxied_listener,
    with_listeners,
)

SETTINGS = with_listeners(("127.0.0.1", 1), ("localhost", 3), [("127.0.0.1", 2)])

CONTROLLERS = [("127.0.0.1", port) for port in (11, 12, 13)]


def test_clients_are_sent_to_the_advertised_address() -> None:
    """The node listens where it is told and sends clients where they can reach it."""
    assert SETTINGS["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"
    assert SETTINGS["advertised.listeners"] == "PLAINTEXT://localhost:3"
    assert SETTINGS["controller.quorum.voters"] == "1@127.0.0.1:2"


def copies(settings: Mapping[str, str], *ends: str) -> list[str]:
    """Return how often topics are kept, of all settings with these ends."""
    return [value for name, value in settings.items() if name.endswith(ends)]


def test_a_single_node_keeps_every_topic_once() -> None:
    """With a factor above 1 a single node could never create its internal topics."""
    assert copies(SETTINGS, "replication.factor") == ["1"] * 4
    assert copies(SETTINGS, "min.isr", "min.insync.replicas") == ["1"] * 3


def test_three_nodes_keep_every_topic_three_times() -> None:
    """Two of three must have a record, so that any one node may be away."""
    settings = with_listeners(("127.0.0.1", 1), ("127.0.0.1", 1), CONTROLLERS, number=2)
    assert copies(settings, "replication.factor") == ["3"] * 4
    assert copies(settings, "min.isr", "min.insync.replicas") == ["2"] * 3


def test_every_node_knows_all_controllers_and_is_one() -> None:
    """The nodes are one quorum, each at its own address."""
    for number in (1, 2, 3):
        settings = with_listeners(("127.0.0.1", 1), ("127.0.0.1", 1), CONTROLLERS, number)
        assert settings["node.id"] == str(number)
        assert settings["controller.quorum.voters"] == (
            "1@127.0.0.1:11,2@127.0.0.1:12,3@127.0.0.1:13"
        )
        assert settings["listeners"].endswith(f",CONTROLLER://127.0.0.1:1{number}")


def test_another_listener_is_added_to_the_others() -> None:
    """Its clients are sent to the proxy, all others to the node itself."""
    settings = joined(SETTINGS, proxied_listener(("127.0.0.1", 4), ("127.0.0.1", 5)))
    assert settings["listeners"] == f"{SETTINGS['listeners']},PROXIED://127.0.0.1:4"
    assert settings["advertised.listeners"] == ("PLAINTEXT://localhost:3,PROXIED://127.0.0.1:5")


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
