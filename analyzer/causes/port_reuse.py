"""A new connection met the remains of an old one with the same four numbers."""

from analyzer.causes.cause import Cause, Sign, all_of, kernel_says

CAUSE = Cause(
    id="port_reuse",
    title="port reuse: a new connection met the remains of an old one",
    origins=("sender",),
    mechanism=(
        "The client opened a connection from a port that it, or a NAT in front of it, had used for the same server shortly before. The server still "
        "kept the old one in TIME-WAIT and answered the SYN with a bare ACK of the old connection (RFC 9293 3.10.7.4, RFC 6191; Linux "
        "tcp_timewait_state_process). The client's kernel does not know that ACK, resets it, and sends its SYN again, which then works."
    ),
    remedy=(
        "Use fewer new connections: keep them open and share them (pool, HTTP keep-alive). More ports help: `net.ipv4.ip_local_port_range`, more "
        "addresses on the NAT. TCP timestamps on both sides let the server accept the new SYN at once; let the side that opens connections close "
        "them first, so that TIME-WAIT stays with it."
    ),
    confirm="On the server: `ss -tan state time-wait` shows the pair; `nstat -az TcpExtTWRecycled TcpExtPAWSEstab`. On the NAT: its port allocation.",
    signs=(
        Sign("ack_for_syn", "the server answered the SYN with a bare ACK of another connection, and the client reset that",
             lambda e: all_of(e["apparent_sender"] == "client", e["answers_trigger"], e["syn_answer"] == "ack"), 12,
             source="RFC 9293 3.6.1; lab case port_reuse", needed=True,
             cites=("trigger_frame", "frame")),
        Sign("old_one_closed", "the earlier connection on these ports had ended in the ordinary way, {since_same_ports} before",
             lambda e: e["same_ports_ended"] == "well", 8, -10, source="RFC 9293 3.6.1; lab case port_reuse",
             plain="the earlier connection on these ports had ended in the ordinary way"),
        Sign("recent", "that was {since_same_ports} before: within two maximum segment lifetimes", lambda e: e["since_same_ports"] <= 240.0, 2, -6,
             source="RFC 9293 3.6.1: 60 to 240 s",
             plain="that was at most 240 s before: within two maximum segment lifetimes"),
        kernel_says("TCP_INVALID_ACK_SEQUENCE", "NO_SOCKET"),
    ),
    prior={"sender": -2},
    emitter={"sender": "kernel"},
    lookalikes={
        "challenge_ack": "there the old connection was still open at the server: the client had restarted",
        "half_open_probe": "there the server answers with a proper SYN-ACK",
    },
    references=(("RFC 9293 section 3.10.7.4", "TIME-WAIT"), ("RFC 6191", "reducing TIME-WAIT with timestamps"),
                ("Linux net/ipv4/tcp_minisocks.c", "tcp_timewait_state_process")),
)  # fmt: skip
