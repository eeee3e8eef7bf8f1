"""Envoy's own answer to a request that it could not pass on, quoted in the logs of the clients that got it.

Lives here: the words. The connection that broke is the one between Envoy and its upstream; the writer's own, to Envoy, is whole.
Never here: Envoy's access log (envoy.py).
"""

from __future__ import annotations

from analyzer.logs.log_format import Head, LogFormat, Told, Verified, all_samples, told, usual_head


def head(text: str) -> Head | None:
    """The words stand anywhere in an entry."""
    return usual_head(text)


_WORDS = "upstream connect error or disconnect/reset before headers"
_SEEN: Verified = "third_party"


def _because(id: str, reasons: str, proves: str) -> Told:
    first = reasons.split("|")[0]
    return told(
        id, "detail", rf"{_WORDS}\..{{0,60}}?reset reason: (?:{reasons})", (_WORDS,), f"a proxy in front of the server answered this request itself: {proves}",
        {f"{_WORDS}. reset reason: {first}": {}}, writer="client", verified=_SEEN,
    )  # fmt: skip


TOLD: tuple[Told, ...] = (
    _because("terminated", "connection termination|remote reset", "its connection to the server ended, by FIN or by reset, before the answer"),
    _because("not_connected", "connection failure|connection timeout|remote connection failure", "it could not connect to the server"),
    _because("own_end", "local reset|overflow|protocol error|local connection failure", "it gave the request up of itself"),
    told(
        "unanswered", "detail", _WORDS, (_WORDS,), "a proxy in front of the server answered this request itself: it could not reach the server, or lost it",
        {_WORDS: {}}, writer="client", verified=_SEEN,
    ),
)  # fmt: skip

FORMAT = LogFormat(
    id="envoy_answer",
    title="Envoy's answer (upstream connect error), as clients quote it",
    reference="https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/response_code_details",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01 12:00:00,123 ERROR app: ", "2024-05-01T12:00:00.123Z"),
    head=head,
    anchored=False,
    rank=4,
)
