"""Envoy's access log: the default text, Istio's, and JSON with Envoy's own names of fields.

Lives here: the format. The time is the beginning of the request; the line is written when it ended, as many milliseconds later as its duration
says. Response flags tell what went wrong and on which of Envoy's two connections, and fold a FIN and a reset together, for HTTP/2 even a
reset of one stream alone: no flag argues for a reset. Only the detected close types, where somebody logs them, tell one from the other.
Never here: status codes.
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import Head, Leg, LogFormat, Message, Sample, Verified, Writer, end

_TEXT = re.compile(r'\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] "[^"]{1,16000}" (?=\d{1,3} )')
_TEXT_DURATION = re.compile(
    r'\d{1,3} \S{1,100} (?:[^" ]{1,400} (?:"[^"]{0,1000}"|\S{1,400}) "[^"]{0,1000}" )?\d{1,20} \d{1,20} (?P<ms>\d{1,12}) '
)
_JSON_FIELD = re.compile(r'"(?:response_flags|(?:up|down)stream_detected_close_type)":')
_JSON_DURATION = re.compile(r'"duration":"?(?P<ms>\d{1,12})\b')
_DOWNSTREAM = re.compile(rf'"downstream_remote_address":"{end("client")}"')
_ISTIO_TAIL = re.compile(
    rf"[^\"\s]{{1,300}} (?:{end('up')}|-) (?:{end('down')}|-) {end('client')} \S{{1,300}} \S{{1,100}}$"
)


def head(text: str) -> Head | None:
    """The client of the connection to Envoy, where the line has it with its port; how long the request took."""
    found = _TEXT.match(text)
    if found:
        took, client = _TEXT_DURATION.match(text, found.end()), _ISTIO_TAIL.search(text, text.rfind('"') + 1)
        body = found.end()
    elif text.startswith("{") and _JSON_FIELD.search(text):
        took, client = _JSON_DURATION.search(text), _DOWNSTREAM.search(text)
        body = 0
    else:
        return None
    return Head(
        body=body, exclusive=True, elapsed=int(took["ms"]) / 1000 if took else 0.0,
        client_ip=client["client_ip"] if client else None, client_port=int(client["client_port"]) if client else None,
    )  # fmt: skip


_FOLDS = "whether by FIN or by reset it does not say"
# (flag, its long name, leg, event, what it proves)
_FLAGS: tuple[tuple[str, str, Leg, str, str], ...] = (
    ("UC", "UpstreamConnectionTermination", "server", "reset_or_eof", f"the upstream's connection ended before its answer was complete; {_FOLDS}"),
    ("UR", "UpstreamRemoteReset", "server", "reset_or_eof", "the upstream reset the request's stream; for HTTP/2 that is no reset of the connection"),
    ("UF", "UpstreamConnectionFailure", "server", "connect_failed", "Envoy could not connect to the upstream: refused, unanswered, or TLS failed"),
    ("LR", "LocalReset", "server", "closed", "Envoy itself reset the request's stream or its connection to the upstream"),
    ("UT", "UpstreamRequestTimeout", "server", "local_timeout", "Envoy's own timer gave the upstream up, and Envoy ended that request"),
    ("UMSDR", "UpstreamMaxStreamDurationReached", "server", "local_timeout", "Envoy itself ended the request to the upstream, which had lasted too long"),
    ("UPE", "UpstreamProtocolError", "server", "protocol_error", "what the upstream sent is not HTTP as Envoy understands it"),
    ("URX", "UpstreamRetryLimitExceeded", "server", "detail", "Envoy gave up after its retries; other lines say why they failed"),
    ("UH", "NoHealthyUpstream", "server", "detail", "no upstream was healthy; nothing was sent to one"),
    ("DF", "DnsResolutionFailed", "server", "detail", "the upstream's name could not be resolved; nothing was sent to it"),
    ("DC", "DownstreamConnectionTermination", "client", "reset_or_eof", f"the client ended its connection before it had its answer; {_FOLDS}"),
    ("DR", "DownstreamRemoteReset", "client", "reset_or_eof", "the client reset the request's stream; for HTTP/2 that is no reset of the connection"),
    ("DPE", "DownstreamProtocolError", "client", "protocol_error", "what the client sent is not HTTP as Envoy understands it"),
    ("IH", "InvalidEnvoyRequestHeaders", "client", "protocol_error", "Envoy refused the request's own x-envoy headers"),
    ("SI", "StreamIdleTimeout", "client", "idle_timeout", "Envoy ended the request because nothing had moved on it for too long"),
    ("DT", "DurationTimeout", "client", "local_timeout", "Envoy ended the request or connection because it had lasted too long"),
    ("UO", "UpstreamOverflow", "client", "rejected", "Envoy turned the request away because a circuit breaker was open"),
    ("FI", "FaultInjected", "client", "rejected", "Envoy ended the request because it was told to inject a fault"),
    ("OM", "OverloadManagerTerminated", "client", "rejected", "Envoy ended the request because it was overloaded"),
    ("RL", "RateLimited", "client", "rejected", "Envoy turned the request away because of a rate limit"),
    ("DO", "DropOverload", "client", "rejected", "Envoy turned the request away because its configuration sheds load"),
    ("UAEX", "UnauthorizedExternalService", "client", "rejected", "Envoy turned the request away because its authorisation service said so"),
    ("NR", "NoRouteFound", "client", "request", "Envoy had no route for this request"),
    ("NC", "NoClusterFound", "client", "request", "Envoy had no cluster for this request"),
    ("LH", "FailedLocalHealthCheck", "client", "request", "this was a health check, and Envoy answered that it is not healthy"),
)  # fmt: skip
_WRITERS: dict[Leg, Writer] = {"client": "server", "server": "client"}  # what Envoy is on each of its connections
# The upstream's address stands in the last quotes; Istio prints behind them the cluster and then Envoy's own end of that connection.
_TEXT_UPSTREAM = rf'(?=.{{0,16000}} "{end("server")}"(?: [^"\s]{{1,300}} {end("client")} |$)|)'
_JSON_UPSTREAM = rf'(?=.{{0,16000}}"upstream_host":"{end("server")}"|)'


def _literals(flag: str, long: str) -> tuple[str, ...]:
    return (f" {flag} ", f" {flag},", f",{flag} ", f",{flag},", f'"{flag}"', f'"{flag},', f',{flag}"', long)


def _flag(flag: str, long: str, leg: Leg, event: str, proves: str) -> tuple[Message, Message]:
    names = rf"(?:[A-Za-z]{{2,40}},){{0,6}}(?:{flag}|{long})"
    text = rf"\d{{1,3}} {names}(?=[, ])" + (_TEXT_UPSTREAM if leg == "server" else "")
    upstream = _JSON_UPSTREAM if leg == "server" else ""
    fields = rf'^\{{(?=.{{0,16000}}"response_flags":"{names}[",]){upstream}'
    return (
        Message(flag, event, text, _literals(flag, long), proves, _WRITERS[leg], "source", leg=leg),
        Message(flag, event, fields, _literals(flag, long), proves, _WRITERS[leg], "source", leg=leg),
    )


def _close(id: str, side: str, kind: str, event: str, proves: str) -> Message:
    leg: Leg = "server" if side == "upstream" else "client"
    verified: Verified = "docs"
    upstream = _JSON_UPSTREAM if leg == "server" else ""
    field = rf'^\{{(?=.{{0,16000}}"{side}_detected_close_type":"{kind}"){upstream}'
    return Message(id, event, field, (f'"{kind}"',), proves, _WRITERS[leg], verified, leg=leg)


MESSAGES = (
    _close(
        "upstream_reset",
        "upstream",
        "RemoteReset",
        "reset_received",
        "Envoy's system had received a reset from the upstream",
    ),
    _close(
        "downstream_reset",
        "downstream",
        "RemoteReset",
        "reset_received",
        "Envoy's system had received a reset from the client",
    ),
    _close(
        "upstream_reset_sent",
        "upstream",
        "LocalReset",
        "reset_sent",
        "Envoy itself reset its connection to the upstream",
    ),
    _close(
        "downstream_reset_sent", "downstream", "LocalReset", "reset_sent", "Envoy itself reset this client's connection"
    ),
    *(message for row in _FLAGS for message in _flag(*row)),
)

_LINE = '[2024-05-01T12:00:00.123Z] "GET /x HTTP/1.1" 503 {} 0 95 12 - "192.0.2.10" "curl/8.4.0" "c0ffee00-0000-4000-8000-000000000001" "app.example.com" "192.0.2.20:8080"'
_FIELDS = '{{"start_time":"2024-05-01T12:00:00.123Z","response_code":503,{},"upstream_host":"192.0.2.20:8080","duration":12,"downstream_remote_address":"192.0.2.10:51234"}}'
_ENDED = "2024-05-01T12:00:00.135Z"
_UP = {"server_ip": "192.0.2.20", "server_port": 8080, "client_ip": None, "writer": "client"}
_DOWN = {"client_ip": "192.0.2.10", "client_port": 51234, "server_ip": None, "writer": "server"}
SAMPLES = (
    *(Sample(_LINE.format(flag), flag, event, _ENDED, _UP if leg == "server" else {"client_ip": None}) for flag, _, leg, event, _ in _FLAGS),
    *(Sample(_FIELDS.format(f'"response_flags":"{flag}"'), flag, event, _ENDED, _UP if leg == "server" else _DOWN) for flag, _, leg, event, _ in _FLAGS),
    Sample(_LINE.format("UpstreamConnectionTermination"), "UC", "reset_or_eof", _ENDED, _UP),
    Sample(_LINE.format("UF,URX"), "UF", "connect_failed", _ENDED, _UP),
    Sample(
        '[2024-05-01T12:00:00.123Z] "GET /x HTTP/1.1" 503 UC upstream_reset_before_response_started{connection_termination} - "-" 0 95 12 - "-" "curl/8.4.0" '
        '"c0ffee00-0000-4000-8000-000000000001" "app:8080" "10.0.0.20:8080" outbound|8080||app.default.svc.cluster.local 10.0.0.15:41234 10.96.0.7:8080 10.0.0.15:51234 - default',
        "UC", "reset_or_eof", _ENDED, {"client_ip": "10.0.0.15", "client_port": 41234, "server_ip": "10.0.0.20", "server_port": 8080},
    ),
    Sample(
        '[2024-05-01T12:00:00.123Z] "GET /x HTTP/1.1" 0 DC downstream_remote_disconnect - "-" 0 0 12 - "-" "curl/8.4.0" '
        '"c0ffee00-0000-4000-8000-000000000001" "app:8080" "10.0.0.20:8080" inbound|8080|| 127.0.0.6:41234 10.0.0.20:8080 10.0.0.15:51234 - default',
        "DC", "reset_or_eof", _ENDED, {"client_ip": "10.0.0.15", "client_port": 51234},
    ),
    Sample(_FIELDS.format('"upstream_detected_close_type":"RemoteReset"'), "upstream_reset", "reset_received", _ENDED, _UP),
    Sample(_FIELDS.format('"downstream_detected_close_type":"RemoteReset"'), "downstream_reset", "reset_received", _ENDED, _DOWN),
    Sample(_FIELDS.format('"upstream_detected_close_type":"LocalReset"'), "upstream_reset_sent", "reset_sent", _ENDED, _UP),
    Sample(_FIELDS.format('"downstream_detected_close_type":"LocalReset"'), "downstream_reset_sent", "reset_sent", _ENDED, _DOWN),
)  # fmt: skip

FORMAT = LogFormat(
    id="envoy",
    title="Envoy and Istio access log (text, JSON)",
    reference="https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage",
    messages=MESSAGES,
    samples=SAMPLES,
    head=head,
    anchored=True,
    programs=("envoy", "istio-proxy"),
)
