"""Prints the table of an operations center (IOC) from a running hub.

It asks the demo by default: three districts of the articles, their 2024 targets, and counts of the demo's synthetic
dossiers. All of it is read at one revision, so that the rows belong together. A value that is old, missing or not exact
is never printed as if it were not.
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TypeVar

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

sys.path.insert(0, str(Path(__file__).resolve().parent / "stubs"))
try:
    from sharehub.v1 import common_pb2, dossier_pb2, dossier_pb2_grpc, indicator_pb2, indicator_pb2_grpc
except ModuleNotFoundError:
    sys.exit("there are no stubs yet: run build_stubs.py first")

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

# How long one call may take, and how often a call that may pass later is tried.
CALL_SECONDS = 10.0
ATTEMPTS = 3


# === what is asked ===


@dataclass(frozen=True)
class Board:
    """A unit, and what is asked about it. The code is the one that the unit bore on the date."""

    code: str
    date: str
    indicators: tuple[str, ...]
    period: str = ""

    def unit(self) -> common_pb2.UnitRef:
        return unit_ref(self.code, self.date)


@dataclass(frozen=True)
class Count:
    """A unit and a period whose dossiers are counted."""

    code: str
    date: str
    period: str


TAN_TRU, MO_CAY_BAC, NONG_CONG = "805", "838", "404"
DATE = "2024-12-31"

BOARDS = (
    Board(TAN_TRU, DATE, ("dossier.on-time-rate",), period="2024-YTD-09"),
    Board(
        MO_CAY_BAC,
        DATE,
        ("wifi.hamlets-rate", "smartphone.adults-rate", "health.e-book-rate", "dossier.electronic-rate"),
    ),
    Board(
        NONG_CONG,
        DATE,
        (
            "document.sent-count",
            "document.signed-sent-rate",
            # For these the article states targets for 2024, and no values.
            "document.agencies-interconnected-rate",
            "document.officials-fully-electronic-rate",
            "document.created-signed-rate",
            "meeting.online-rate",
            "identity.service-users-rate",
            "payment.cashless-enterprises-rate",
            "business.dx-support-reach-rate",
            "ecommerce.local-products-promoted-rate",
            "payment.people-account-rate",
            "health.e-record-rate",
            "payment.cashless-electricity-rate",
        ),
    ),
)
COUNTS = (Count(TAN_TRU, DATE, "2024-YTD-09"), Count(MO_CAY_BAC, DATE, "2023"))


def unit_ref(code: str, date: str) -> common_pb2.UnitRef:
    return common_pb2.UnitRef(code=common_pb2.UnitCode(scheme="gso", code=code, date=date))


# === asking ===


class Refusal(Exception):
    """The hub, or the way to it, refused a call. Programs decide by `reason`; the message is for people."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.code: str = error.code().name
        self.message: str = error.details() or ""
        self.reason: str = ""
        self.facts: dict[str, str] = {}
        self.fields: list[tuple[str, str]] = []
        self.retry_seconds: float | None = None
        super().__init__(self.message)
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            info = error_details_pb2.ErrorInfo()
            bad = error_details_pb2.BadRequest()
            retry = error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                self.reason, self.facts = info.reason, dict(info.metadata)
            elif detail.Unpack(bad):
                self.fields = [(it.field, it.description) for it in bad.field_violations]
            elif detail.Unpack(retry):
                self.retry_seconds = retry.retry_delay.ToTimedelta().total_seconds()

    def lines(self) -> Iterable[str]:
        yield f"{self.code}: {self.message}"
        if self.reason:
            yield f"  reason: {self.reason}"
        for key, fact in self.facts.items():
            yield f"  {key}: {fact}"
        for path, rule in self.fields:
            yield f"  field {path}: {rule}"


@dataclass(frozen=True)
class Shown:
    """By what a system knows the hub, and shows who it is itself: a key, or a certificate and its private key."""

    ca: str | None
    key: str | None
    cert: str | None
    cert_key: str | None


def read(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None


class Hub:
    """The hub, as one system sees it."""

    def __init__(self, target: str, shown: Shown) -> None:
        address = target.removeprefix("https://").removeprefix("http://")
        if shown.ca is None:
            # Plain text: only within one machine, or over a network that is trusted.
            self.channel = grpc.insecure_channel(address)
        else:
            tls = grpc.ssl_channel_credentials(read(shown.ca), read(shown.cert_key), read(shown.cert))
            self.channel = grpc.secure_channel(address, tls)
        self.metadata = (("authorization", f"Bearer {shown.key}"),) if shown.key else ()
        self.indicators = indicator_pb2_grpc.IndicatorServiceStub(self.channel)
        self.dossiers = dossier_pb2_grpc.DossierServiceStub(self.channel)

    def ask(self, method: Callable[..., Answer], request: Ask) -> Answer:
        """Calls a method that reads; again, where the hub says that this helps. A write needs a `request_id` for it."""
        for left in reversed(range(ATTEMPTS)):
            try:
                return method(request, timeout=CALL_SECONDS, metadata=self.metadata)
            except grpc.RpcError as error:
                refusal = Refusal(error)
                if refusal.retry_seconds is None or left == 0:
                    raise refusal from error
                time.sleep(refusal.retry_seconds)
        raise AssertionError("at least one attempt is made")


# === showing ===

QUALIFIERS = {
    indicator_pb2.VALUE_QUALIFIER_MORE_THAN: "> ",
    indicator_pb2.VALUE_QUALIFIER_AT_LEAST: "≥ ",
    indicator_pb2.VALUE_QUALIFIER_LESS_THAN: "< ",
    indicator_pb2.VALUE_QUALIFIER_AT_MOST: "≤ ",
    indicator_pb2.VALUE_QUALIFIER_ABOUT: "≈ ",
}
WITHOUT_VALUE = {
    indicator_pb2.OBSERVATION_STATUS_NOT_ASSESSED: "not assessed",
    indicator_pb2.OBSERVATION_STATUS_NOT_IMPLEMENTED: "not implemented",
    indicator_pb2.OBSERVATION_STATUS_NOT_APPLICABLE: "not applicable",
    indicator_pb2.OBSERVATION_STATUS_WITHHELD: "withheld",
}
NOT_FINAL = {
    indicator_pb2.OBSERVATION_STATUS_ESTIMATED: "estimated",
    indicator_pb2.OBSERVATION_STATUS_PROVISIONAL: "provisional",
}
COMPARISONS = {
    indicator_pb2.TARGET_COMPARISON_AT_LEAST: "≥ ",
    indicator_pb2.TARGET_COMPARISON_MORE_THAN: "> ",
    indicator_pb2.TARGET_COMPARISON_AT_MOST: "≤ ",
    indicator_pb2.TARGET_COMPARISON_LESS_THAN: "< ",
}
ATTAINMENTS = {
    indicator_pb2.ATTAINMENT_STATE_UNSPECIFIED: "-",
    indicator_pb2.ATTAINMENT_STATE_NO_VALUE: "no value yet",
    indicator_pb2.ATTAINMENT_STATE_MET: "met",
    indicator_pb2.ATTAINMENT_STATE_NOT_MET: "not met",
    indicator_pb2.ATTAINMENT_STATE_UNDECIDED: "undecided",
    indicator_pb2.ATTAINMENT_STATE_QUALITATIVE: "not a number",
}
FRESHNESS = {
    indicator_pb2.FRESHNESS_STATE_FRESH: "fresh",
    indicator_pb2.FRESHNESS_STATE_STALE: "stale",
    indicator_pb2.FRESHNESS_STATE_NO_DATA: "no data",
    indicator_pb2.FRESHNESS_STATE_RETIRED: "retired",
    indicator_pb2.FRESHNESS_STATE_UNIT_CLOSED: "unit closed",
}


def rounded(value: str) -> str:
    """A decimal with at most two places, for the eye. The hub's own digits are exact."""
    exact = Decimal(value)
    short = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return value if exact == short else str(short)


def shown(cell: indicator_pb2.SnapshotCell) -> indicator_pb2.Observation:
    """The latest value; where there is none of the indicator's frequency, the newest one that stands beside."""
    if cell.HasField("latest") or not cell.beside:
        return cell.latest
    return cell.beside[0]


def show_value(cell: indicator_pb2.SnapshotCell) -> str:
    observation = shown(cell)
    figure = observation.figure
    if not observation.period:
        return "no value yet"
    if not figure.HasField("value"):
        return WITHOUT_VALUE.get(figure.status, "no value")
    is_computed = figure.basis == indicator_pb2.FIGURE_BASIS_COMPUTED
    value = rounded(figure.value) if is_computed else figure.value
    text = f"{QUALIFIERS.get(figure.qualifier, '')}{value} {figure.unit_of_measure}"
    if figure.HasField("numerator"):
        parts = f"{figure.numerator}/{figure.denominator if figure.HasField('denominator') else '?'}"
        if figure.HasField("computed_value") and Decimal(figure.computed_value) != Decimal(figure.value):
            parts += f" = {rounded(figure.computed_value)} {figure.unit_of_measure}"
        text += f" ({parts})"
    notes = [f"as of {observation.as_of}"] if observation.as_of else []
    if figure.status in NOT_FINAL:
        notes.append(NOT_FINAL[figure.status])
    if figure.inconsistent:
        notes.append("value and components disagree")
    if cell.definition_changed:
        notes.append("definition changed")
    return ", ".join([text, *notes])


def show_target(cell: indicator_pb2.SnapshotCell) -> str:
    if not cell.HasField("target"):
        return "-"
    target = cell.target
    if not target.HasField("value"):
        return f"in words: {target.provenance.as_written or target.provenance.quote}"
    return f"{COMPARISONS.get(target.comparison, '')}{target.value} {target.unit_of_measure} for {target.period}"


def show_attainment(cell: indicator_pb2.SnapshotCell) -> str:
    attainment = cell.attainment
    text = ATTAINMENTS.get(attainment.state, "unknown")
    if attainment.to_date:
        text += f" so far ({attainment.judged_period})"
    if attainment.HasField("gap"):
        text += f", gap {rounded(attainment.gap)}"
    return text


def show_freshness(cell: indicator_pb2.SnapshotCell) -> str:
    freshness = cell.freshness
    text = FRESHNESS.get(freshness.state, "unknown")
    if freshness.missing_period:
        text += f": {freshness.missing_period} was due {freshness.due_date}"
    return text


def show_source(cell: indicator_pb2.SnapshotCell) -> str:
    if shown(cell).period:
        of, provenance = "", shown(cell).figure.provenance
    elif cell.HasField("target"):
        of, provenance = "target: ", cell.target.provenance
    else:
        return "-"
    return f"{of}{provenance.source_document or 'no document'} ({provenance.source_system})"


def show_rows(cells: Iterable[indicator_pb2.SnapshotCell]) -> Iterable[str]:
    heads = ("indicator", "unit", "period", "value", "target", "attainment", "freshness", "source")
    rows = [heads] + [
        (
            cell.indicator,
            cell.unit.name,
            shown(cell).period or "-",
            show_value(cell),
            show_target(cell),
            show_attainment(cell),
            show_freshness(cell),
            show_source(cell),
        )
        for cell in cells
    ]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield " | ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip()


def show_versions(cells: Iterable[indicator_pb2.SnapshotCell]) -> Iterable[str]:
    codes: dict[int, list[str]] = {}
    for cell in cells:
        version = shown(cell).figure.definition_version or cell.target.definition_version
        if version:
            codes.setdefault(version, []).append(cell.indicator)
    for version, indicators in sorted(codes.items()):
        text = f"Definition version {version}: {', '.join(indicators)}"
        yield textwrap.fill(text, width=120, subsequent_indent="  ", break_on_hyphens=False)


def show_counts(name: str, summary: dossier_pb2.SummarizeDossiersResponse) -> str:
    total = summary.total
    rate = f" = {rounded(total.on_time_rate)} %" if total.HasField("on_time_rate") else ""
    return (
        f"{name}, {summary.period}: received {total.received} ({total.received_online} online), "
        f"on time {total.on_time_numerator}/{total.on_time_denominator}{rate}, by rule {summary.rule}"
    )


# === the program ===


def print_table(hub: Hub) -> None:
    cells: list[indicator_pb2.SnapshotCell] = []
    consistency = common_pb2.Consistency(latest=True)
    names: dict[str, str] = {}
    for board in BOARDS:
        request = indicator_pb2.GetSnapshotRequest(
            units=[board.unit()],
            indicators=board.indicators,
            period=board.period,
            consistency=consistency,
        )
        snapshot = hub.ask(hub.indicators.GetSnapshot, request)
        # What follows is read at the revision of the first answer.
        consistency = common_pb2.Consistency(exactly=snapshot.read_at.number)
        names[board.code] = snapshot.cells[0].unit.name
        cells.extend(snapshot.cells)
    print("\n".join(show_rows(cells)))

    print("\nDossiers (the demo's are synthetic: made to add up to the articles' figures)")
    for count in COUNTS:
        asked = dossier_pb2.SummarizeDossiersRequest(
            period=count.period,
            receiving_unit=unit_ref(count.code, count.date),
            consistency=consistency,
        )
        print(show_counts(names[count.code], hub.ask(hub.dossiers.SummarizeDossiers, asked)))

    read_at = snapshot.read_at
    committed = read_at.committed_at.ToDatetime().isoformat(timespec="seconds")
    print(f"\nRead at revision {read_at.number}, committed {committed}Z; freshness judged on {snapshot.judged_on}.")
    print("\n".join(show_versions(cells)))


def main() -> int:
    parser = argparse.ArgumentParser(description="Prints the table of an operations center from a running hub.")
    target = os.environ.get("SHAREHUB_TARGET", "http://127.0.0.1:50051")
    parser.add_argument("--target", default=target, help="address of the hub (or SHAREHUB_TARGET) [%(default)s]")
    parser.add_argument("--key", default=os.environ.get("SHAREHUB_KEY"), help="key of a system (or SHAREHUB_KEY)")
    parser.add_argument("--ca", default=os.environ.get("SHAREHUB_CA"), help="CA of the hub (or SHAREHUB_CA)")
    parser.add_argument("--cert", default=os.environ.get("SHAREHUB_CERT"), help="certificate of a system")
    parser.add_argument("--cert-key", default=os.environ.get("SHAREHUB_CERT_KEY"), help="its private key")
    arguments = parser.parse_args()
    if not arguments.key and not arguments.cert:
        parser.error("give --key, or --cert and --cert-key, or set SHAREHUB_KEY")
    shown = Shown(arguments.ca, arguments.key, arguments.cert, arguments.cert_key)
    hub = Hub(arguments.target, shown)
    try:
        print_table(hub)
    except Refusal as refusal:
        print("\n".join(refusal.lines()), file=sys.stderr)
        return 1
    finally:
        hub.channel.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
