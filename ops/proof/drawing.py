"""Draws a run as SVG: throughput, open doubt and troubles over one time axis; `page.html` has the colours."""

from collections.abc import Callable, Iterator, Sequence
from html import escape

from ops.proof.certificate_facts import Certificate, TroubleFact

WIDTH = 1000
LEFT = 190
RIGHT = 985
THROUGHPUT_TOP, THROUGHPUT_BOTTOM = 24, 174
DOUBT_TOP, DOUBT_BOTTOM = 206, 286
LANES_TOP = 318
LANE_HEIGHT = 18
BAR_HEIGHT = 10
BAR_WIDTH_MIN = 3.0
# More numbers than this overlap; each bar says its own when pointed at.
NUMBERED_MAX = 120
TICKS = 6
ROUND = (1, 2, 4, 5, 8, 10)
SECONDS_ROUND = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
SECONDS_PER_MINUTE = 60


def plot(certificate: Certificate) -> str:
    """Return the drawing of the run as an `svg` element."""
    return "\n".join(_Drawing(certificate).elements())


class _Drawing:
    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self._began_at = certificate.began_at
        ran = (certificate.ended_at - certificate.began_at).total_seconds()
        self._seconds = max(ran, 1.0)
        self._kinds = sorted({trouble.kind for trouble in certificate.troubles})
        self._bottom = LANES_TOP + LANE_HEIGHT * len(self._kinds)

    def elements(self) -> Iterator[str]:
        yield (
            f'<svg viewBox="0 0 {WIDTH} {self._bottom + 30}" role="img" '
            'aria-label="Throughput, open doubt and troubles over time">'
        )
        for trouble in self._certificate.troubles:
            yield self._band(trouble)
        yield from self._axis()
        yield from self._throughput()
        yield from self._doubt()
        yield from self._lanes()
        yield "</svg>"

    def _x(self, seconds: float) -> float:
        inside = min(max(seconds / self._seconds, 0.0), 1.0)
        return LEFT + (RIGHT - LEFT) * inside

    def _span(self, trouble: TroubleFact) -> tuple[float, float]:
        """Return where a trouble begins and how wide it is, never so narrow that it is unseen."""
        began, ended = (
            self._x((at - self._began_at).total_seconds())
            for at in (trouble.began_at, trouble.ended_at)
        )
        return began, max(ended - began, BAR_WIDTH_MIN)

    def _band(self, trouble: TroubleFact) -> str:
        x, width = self._span(trouble)
        height = DOUBT_BOTTOM - THROUGHPUT_TOP
        return (
            f'<rect class="band" x="{x:.1f}" y="{THROUGHPUT_TOP}" '
            f'width="{width:.1f}" height="{height}"/>'
        )

    def _axis(self) -> Iterator[str]:
        step = next(
            (s for s in SECONDS_ROUND if self._seconds <= s * 2 * TICKS), SECONDS_ROUND[-1]
        )
        for second in range(0, int(self._seconds) + 1, step):
            x = self._x(second)
            yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{THROUGHPUT_TOP}" y2="{self._bottom}"/>'
            label = f"{second // SECONDS_PER_MINUTE}:{second % SECONDS_PER_MINUTE:02}"
            yield _text(x, self._bottom + 18, label, "middle")
        yield _text(LEFT - 24, self._bottom + 18, "minutes:seconds", "end")

    def _throughput(self) -> Iterator[str]:
        series = self._certificate.series
        rates = [count / series.interval_seconds for count in series.first_outcomes]
        y, lines = _scale(rates, THROUGHPUT_TOP, THROUGHPUT_BOTTOM)
        yield from lines
        yield _text(LEFT, THROUGHPUT_TOP - 9, "first outcomes per second", "start", "title")
        points = self._steps(rates, y)
        yield (
            f'<polygon class="rate" points="{LEFT},{THROUGHPUT_BOTTOM} {points} '
            f'{RIGHT},{THROUGHPUT_BOTTOM}"/>'
        )

    def _doubt(self) -> Iterator[str]:
        counts = self._certificate.series.open_orders
        y, lines = _scale(counts, DOUBT_TOP, DOUBT_BOTTOM)
        yield from lines
        yield _text(LEFT, DOUBT_TOP - 9, "orders PENDING or IN_DOUBT", "start", "title")
        yield f'<polyline class="doubt" points="{self._steps(counts, y)}"/>'

    def _steps(self, values: Sequence[float], y: Callable[[float], float]) -> str:
        """Return a line with one flat step for each interval."""
        interval = self._certificate.series.interval_seconds
        return " ".join(
            f"{self._x(index * interval):.1f},{y(value):.1f} "
            f"{self._x((index + 1) * interval):.1f},{y(value):.1f}"
            for index, value in enumerate(values)
        )

    def _lanes(self) -> Iterator[str]:
        troubles = self._certificate.troubles
        if troubles:
            yield _text(LEFT, LANES_TOP - 9, "troubles, with their numbers", "start", "title")
        for row, kind in enumerate(self._kinds):
            y = LANES_TOP + LANE_HEIGHT * row
            yield _text(LEFT - 8, y + BAR_HEIGHT + 1, kind, "end")
            yield f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y + 15}" y2="{y + 15}"/>'
            for trouble in troubles:
                if trouble.kind == kind:
                    yield from self._bar(trouble, y, numbered=len(troubles) <= NUMBERED_MAX)

    def _bar(self, trouble: TroubleFact, y: int, *, numbered: bool) -> Iterator[str]:
        x, width = self._span(trouble)
        told = f"{trouble.number}: {trouble.kind} of {trouble.target}, {_recovered(trouble)}"
        yield (
            f'<rect class="trouble" x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="1.5">'
            f"<title>{escape(told)}</title></rect>"
        )
        if numbered:
            yield _text(
                x + width + 2, y + BAR_HEIGHT + 1, str(trouble.number), "start", "small"
            )


def _recovered(trouble: TroubleFact) -> str:
    if trouble.recovery_seconds is None:
        return "no outcome followed"
    if trouble.recovery_seconds == 0:
        return "outcomes went on"
    return f"next outcome after {trouble.recovery_seconds:.1f} s"


def _scale(
    values: Sequence[float], top: int, bottom: int
) -> tuple[Callable[[float], float], list[str]]:
    """Return where a value stands, and the lines of a scale that ends at a round number."""
    highest = _round_up(max(values, default=0))

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / highest

    lines = []
    for value in (0, highest / 2, highest):
        at = y(value)
        lines.append(
            f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        )
        lines.append(_text(LEFT - 8, at + 4, f"{value:g}", "end"))
    return y, lines


def _round_up(value: float) -> float:
    power = 1.0
    while power * ROUND[-1] < value:
        power *= 10
    return next(power * each for each in ROUND if power * each >= value)


def _text(x: float, y: float, text: str, anchor: str, name: str = "label") -> str:
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
