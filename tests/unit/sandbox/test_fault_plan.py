"""The fault plan by itself: whom a rule is for, how chances are drawn, what a file may say."""

import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.sandbox.paywizard.bodies import ENDPOINTS
from ops.sandbox.paywizard.fault_kinds import Endpoint, Hide, LoseAnswer, Pending, Stage
from ops.sandbox.paywizard.fault_plan import (
    FaultPlan,
    Rule,
    Subject,
    When,
    read_plan,
    slow_plan,
)
from ops.sandbox.paywizard.latency import Constant, Documented, Lognormal, Uniform

DOCUMENT = Path(__file__).parents[3] / "docs" / "sandbox.md"


def subject(
    order_no: str | None = "N1", endpoint: str = "giftTransaction", request: int = 1
) -> Subject:
    """A payment of the order, unless told otherwise."""
    return Subject("one", endpoint, order_no, "card-1", request)


def test_the_operations_of_a_plan_are_the_documented_endpoints() -> None:
    """None is missing, none is made up."""
    assert list(get_args(Endpoint)) == [path.rpartition("/")[2] for path in ENDPOINTS]


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({}, True),
        ({"operations": ["giftTransaction"]}, True),
        ({"operations": ["giftVoid"]}, False),
        ({"clients": ["one"]}, True),
        ({"clients": ["two"]}, False),
        ({"cards": ["card-1"]}, True),
        ({"cards": ["card-2"]}, False),
        ({"orders": ["N1"]}, True),
        ({"orders": ["N"]}, False),
        ({"orders": ["N*"]}, True),
        ({"orders": ["X", "N*"]}, True),
        ({"orders": ["M*"]}, False),
        ({"orders": []}, False),
        ({"fromRequest": 2}, True),
        ({"fromRequest": 3}, False),
        ({"toRequest": 2}, True),
        ({"toRequest": 1}, False),
        ({"orders": ["N1"], "cards": ["card-2"]}, False),
    ],
    ids=json.dumps,
)
def test_a_rule_is_for_those_whom_every_member_names(
    when: dict[str, object], *, fits: bool
) -> None:
    """What is left out does not matter; what is there must all fit."""
    assert When.model_validate(when).fits(subject(request=2)) is fits


def test_a_rule_by_order_number_leaves_alone_what_has_none() -> None:
    """An inquiry has no order number, so no pattern names it."""
    assert not When(orders=("*",)).fits(subject(None, "giftInquiry"))


def test_the_share_that_a_rule_strikes_is_its_probability() -> None:
    """Over many orders; 0 strikes nobody and 1 everybody."""
    subjects = [subject(f"N{number}") for number in range(4000)]

    def struck(probability: float) -> int:
        rule = Rule(name="r", probability=probability, fault=LoseAnswer())
        return sum(rule.strikes(each, seed=5) for each in subjects)

    assert (struck(0.0), struck(1.0)) == (0, 4000)
    assert 520 < struck(0.15) < 680  # 600 within 3.5 standard deviations


def test_rules_seeds_orders_clients_and_requests_have_chances_of_their_own() -> None:
    """Nothing is drawn twice, so nothing is struck together by accident."""
    one, two = (Rule(name=name, fault=LoseAnswer()) for name in ("one", "two"))
    drawn = [
        one.chance(subject(), 1, "strikes"),
        one.chance(subject(), 1, "seconds"),
        one.chance(subject(), 2, "strikes"),
        two.chance(subject(), 1, "strikes"),
        one.chance(subject("N2"), 1, "strikes"),
        one.chance(subject(request=2), 1, "strikes"),
        one.chance(subject(endpoint="queryOrder"), 1, "strikes"),
        one.chance(Subject("two", "giftTransaction", "N1", "card-1", 1), 1, "strikes"),
        one.chance(subject(None, "giftInquiry"), 1, "strikes"),
    ]
    assert len(set(drawn)) == len(drawn)
    assert drawn[0] == one.chance(subject(), 1, "strikes")


def test_the_chance_of_a_seed_is_the_same_in_every_release_of_python() -> None:
    """A seed that found something finds it again next year."""
    drawn = Rule(name="lost", fault=LoseAnswer()).chance(subject(), 7, "strikes")
    assert drawn == 0.45717046682037277


def test_a_chance_per_order_is_shared_by_all_its_requests() -> None:
    """The order is struck, or spared, as a whole."""
    rule = Rule(name="r", per="order", probability=0.5, fault=LoseAnswer())
    for number in range(50):
        requests = [
            subject(f"N{number}"),
            subject(f"N{number}", request=2),
            subject(f"N{number}", "queryOrder"),
        ]
        assert len({rule.strikes(each, seed=1) for each in requests}) == 1
    assert len({rule.strikes(subject(f"N{number}"), seed=1) for number in range(50)}) == 2


def test_of_each_stage_the_first_rule_that_strikes_counts() -> None:
    """A request may wait, be pending and be lost; it cannot be lost twice."""
    plan = FaultPlan(
        rules=(
            *slow_plan(1, 2).rules,
            Rule(name="never", probability=0, fault=LoseAnswer(how="reset")),
            Rule(name="lost", fault=LoseAnswer()),
            Rule(name="too late", fault=LoseAnswer(how="hang")),
            Rule(name="pending", fault=Pending(settles="never")),
            Rule(name="hidden", fault=Hide()),
        )
    )
    met = {stage: rule.name for stage, rule in plan.met_by(subject()).items()}
    assert met == {
        Stage.BEFORE_ANSWER: "latency",
        Stage.ANSWER: "lost",
        Stage.RESULT: "pending",
    }
    queried = plan.met_by(subject(endpoint="queryOrder"))
    assert queried[Stage.FINDING].name == "hidden"
    assert Stage.RESULT not in queried


CHANCES = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(CHANCES)
def test_a_latency_stays_within_its_bounds(chance: float) -> None:
    """Whatever is drawn, 0.0 included."""
    assert Constant(seconds=2).at(chance) == 2
    assert 1 <= Uniform(seconds_min=1, seconds_max=3).at(chance) <= 3
    assert 4 <= Documented().at(chance) <= 19
    assert 0.04 <= Documented(scale=0.01).at(chance) <= 0.19
    tail = Lognormal(seconds_median=7, sigma=0.6, seconds_max=60)
    assert 0 < tail.at(chance) <= 60


def test_latencies_fill_their_range() -> None:
    """Median and tail of a lognormal; the documented ends of the documented one."""
    tail = Lognormal(seconds_median=7, sigma=0.6, seconds_max=60)
    assert tail.at(0.5) == pytest.approx(7)
    assert tail.at(0.9) == pytest.approx(7 * 2.1576, rel=1e-3)
    assert tail.at(1 - 1e-9) == 60
    assert (Documented().at(0), Documented().at(0.5)) == (4, 11.5)


def test_a_plan_without_latency_has_no_rule() -> None:
    """Nothing is met, so nothing fills the book."""
    assert slow_plan(0, 0, seed=3) == FaultPlan(seed=3)
    assert len(slow_plan(0, 0.1).rules) == 1


BAD = [
    '{"rules":[{"name":"x"}]}',
    '{"rules":[{"name":"x","fault":{"kind":"explode"}}]}',
    '{"rules":[{"name":"","fault":{"kind":"hide"}}]}',
    '{"rules":[{"name":"x","fault":{"kind":"hide"}},{"name":"x","fault":{"kind":"hide"}}]}',
    '{"rules":[{"name":"x","probability":1.5,"fault":{"kind":"hide"}}]}',
    '{"rules":[{"name":"x","when":{"operations":["pay"]},"fault":{"kind":"hide"}}]}',
    '{"rules":[{"name":"x","when":{"order":["N1"]},"fault":{"kind":"hide"}}]}',
    '{"rules":[{"name":"x","fault":{"kind":"pending","settles":"success"}}]}',
    '{"rules":[{"name":"x","fault":{"kind":"pending","settles":"never","afterSeconds":1}}]}',
    '{"rules":[{"name":"x","fault":{"kind":"http-error","status":200}}]}',
    '{"rules":[{"name":"x","fault":{"kind":"misreport","about":["state"]}}]}',
    '{"rules":[{"name":"x","fault":{"kind":"misreport","about":[]}}]}',
    '{"rules":[{"name":"x","fault":{"kind":"delay","latency":{"distribution":"uniform",'
    '"secondsMin":2,"secondsMax":1}}}]}',
    '{"seed":"7"}',
    '{"Seed":7}',
    "[]",
    "",
]


@pytest.mark.parametrize("text", BAD)
def test_a_plan_with_a_mistake_is_refused(text: str, tmp_path: Path) -> None:
    """A mistyped rule would strike nobody and prove nothing."""
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(ValidationError):
        read_plan(path)


def test_the_example_in_the_documents_is_a_plan_and_comes_back_as_written() -> None:
    """`to_json` and `read_plan` are each other's reverse."""
    example = DOCUMENT.read_text("utf-8").partition("```json\n")[2].partition("```")[0]
    plan = FaultPlan.model_validate_json(example)
    assert FaultPlan.model_validate_json(plan.to_json()) == plan
    assert len(plan.rules) >= 5


def test_every_kind_of_fault_is_in_the_documents() -> None:
    """And every operation can be named."""
    text = DOCUMENT.read_text("utf-8")
    kinds = FaultPlan.model_json_schema()["$defs"]["Rule"]["properties"]["fault"]
    for kind in kinds["discriminator"]["mapping"]:
        assert f"`{kind}`" in text, kind
