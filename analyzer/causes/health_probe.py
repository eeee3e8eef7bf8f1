"""A monitor completes the handshake and hangs up at once."""

from analyzer.causes.cause import Cause, Sign, all_of, kernel_says

CAUSE = Cause(
    id="health_probe",
    title="health probe: connected, asked nothing, hung up with a reset",
    origins=("sender",),
    mechanism=(
        "A load balancer, kubelet or monitor checks a port by completing the handshake and closing with SO_LINGER 0, which sends a reset "
        "instead of a FIN and leaves no TIME_WAIT behind. The service accepts a connection that is already gone: `connection reset by peer` "
        "in its log, or nothing."
    ),
    remedy=(
        "Nothing is broken: silence the line, or let the probe speak the protocol (HAProxy `option pgsql-check` or `option httpchk`, "
        "`pg_isready` instead of a TCP check)."
    ),
    confirm="The source address belongs to a monitor or balancer, and the resets keep its check interval.",
    signs=(
        Sign("bare_handshake", "the client completed the handshake, sent no payload, and reset the connection {duration} after its first packet",
             lambda e: all_of(e["apparent_sender"] == "client", e["handshake"], e["client_bytes"] == 0, e["duration"] <= 5.0),
             10, source="lab case health_probe", needed=True,
             plain="the client completed the handshake, sent no payload, and reset it within five seconds"),
        Sign("repeated", "{probe_count} connections of this client to this port ended like that",
             lambda e: e["probe_count"] >= 3, 5, -4, source="lab case health_probe", group="series",
             plain="three or more connections of this client to this port ended like that"),
        Sign("periodic", "they come every {probe_period}, give or take {probe_variation:.1%}",
             lambda e: e["probe_variation"] < 0.1, 8, -2, source="lab case health_probe", group="series",
             plain="they come at even intervals"),
        Sign("not_an_answer", "it answers no packet of the server", lambda e: ~e["answers_trigger"], 2, -6, source="Linux tcp_send_active_reset"),
        kernel_says("TCP_STATE", "TCP_ABORT_ON_CLOSE", "NO_SOCKET", "TCP_TIMEWAIT_SOCKET"),
    ),
    prior={"sender": -2},
    emitter={"sender": "socket"},
    harmless=True,
    lookalikes={
        "abortive_close": "a single connection without payload that is followed by a real attempt is an application that gave up",
        "half_open_probe": "a half-open probe resets before the handshake is complete",
    },
    references=(("socket(7)", "SO_LINGER"), ("HAProxy configuration manual", "option tcp-check")),
)  # fmt: skip
