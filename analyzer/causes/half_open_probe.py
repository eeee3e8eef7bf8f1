"""A SYN-ACK is answered with a reset: the initiator never meant to connect."""

from analyzer.causes.cause import Cause, Sign, all_of, kernel_says

CAUSE = Cause(
    id="half_open_probe",
    title="half-open probe: the handshake was broken off by the one who began it",
    origins=("sender",),
    mechanism=(
        "A scanner or half-open monitor sends a SYN from outside its kernel's socket table; when the SYN-ACK comes, the kernel knows no "
        "such connection and answers with a bare reset (RFC 9293 3.10.7.1). The service never accepts anything."
    ),
    remedy="Nothing on the server. If the source is your own load balancer or monitor, this is how its "
           "half-open check works; otherwise treat it as a scan.",
    confirm="The source's monitor configuration (for example `tcp_half_open`); the server's `nstat` shows no accepted connection for it.",
    signs=(
        Sign("answers_syn_ack", "it is the stateless answer to a SYN-ACK", lambda e: all_of(e["answers_trigger"], e["trigger_kind"] == "syn_ack"),
             14, source="RFC 9293 3.10.7.1; lab case half_open_scan", needed=True, cites=("trigger_frame", "frame")),
        Sign("client", "it carries the initiator's address", lambda e: e["apparent_sender"] == "client", 2,
             source="RFC 9293 3.10.7.1; lab case half_open_scan", needed=True),
        kernel_says("NO_SOCKET", "TCP_INVALID_ACK_SEQUENCE", "TCP_FLAGS"),
    ),
    prior={"sender": 0},
    emitter={"sender": "kernel"},
    harmless=True,
    lookalikes={"health_probe": "a full probe completes the handshake before it resets"},
    references=(("RFC 9293 section 3.10.7", "resets in SYN-SENT and CLOSED"),),
)  # fmt: skip
