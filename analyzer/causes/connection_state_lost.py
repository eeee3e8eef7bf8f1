"""The one who answered did not know the connection any more."""

from analyzer.causes.cause import Cause, Sign, all_of, kernel_says, known, shaking_hands

CAUSE = Cause(
    id="connection_state_lost",
    title="connection unknown: the one who answered no longer had this connection",
    origins=("sender", "path"),
    mechanism=(
        "A packet of an established connection met a stack without that connection, which answers with a bare reset at the number the packet "
        "acknowledged (RFC 9293 3.10.7.1; Linux reason NO_SOCKET). Either the host lost it (restarted, crashed, timed out in silence, another "
        "host took over its address), or a device did (failover, flushed table)."
    ),
    remedy=(
        "Find what removed the connection: restart or failover of the host, a silent timeout there (its log says `timed out`), a moved address. "
        "Clients should test pooled connections before use and retry; keepalives find the loss earlier."
    ),
    confirm="On the host: uptime and the service's start time, `nstat -az TcpOutRsts`, the tracepoint "
            "tcp:tcp_send_reset with NO_SOCKET. On devices: failover and flush logs.",
    signs=(
        Sign("bare_answer", "it is the stateless answer to a packet of an established connection",
             lambda e: all_of(e["answers_trigger"], e["trigger_had_ack"], ~shaking_hands(e)), 10,
             source="Linux tcp_v4_send_reset; RFC 9293 3.5.1", needed=True, cites=("trigger_frame", "frame")),
        Sign("no_fin", "{sender} had not closed within the capture", lambda e: ~e["sender_fin"], 3,
             source="RFC 9293 3.5.1; lab cases server_state_lost, host_power_cycle", needed=True),
        Sign("refused_next", "the next attempt was refused: the service was gone", lambda e: e["retry_refused"], 6, 0,
             source="RFC 9293 3.5.1; lab cases server_state_lost, host_power_cycle"),
        Sign("address_moved", "since its last packet, {moved_before} before the reset, the address of {sender} was announced by another hardware "
             "address than before ({hardware_now}, not {hardware_before})",
             lambda e: known(e["moved_before"] >= 0, e["moved_before"].notna()), 12, 0,
             source="RFC 5227 3; lab case address_takeover", cites=("moved_frame", "frame"),
             plain="since its last packet the address of {sender} was announced by another hardware address than before"),
        Sign("survives_longer", "this path survived a longer silence ({path_survived}) than the one before this reset ({idle_gap})",
             lambda e: e["path_survived"] >= e["idle_gap"], 5, 0, source="lab case idle_timer_bracket",
             plain="this path survived a longer silence than the one before this reset"),
        Sign("several_at_once", "{same_moment} other connections of that server were reset within a second",
             lambda e: e["same_moment"] >= 3, 3, 0, source="lab cases postgres_restart, restart_refused",
             plain="three or more other connections of that server were reset within a second"),
        Sign("no_silence", "no silence came before: the state went while the connection was in use",
             lambda e: e["idle_gap"] < 1.0, 2, 0, source="RFC 9293 3.5.1; lab cases server_state_lost, host_power_cycle"),
        Sign("never_spoke", "{sender} had not said a word since the handshake: it may never have accepted the connection",
             lambda e: all_of(e["handshake"], e["sender_bytes"] == 0), -6, 0, source="Linux tcp_check_req; lab case accept_queue_overflow"),
        Sign("after_reset", "an earlier reset at another capture point had already ended the connection",
             lambda e: e["later_elsewhere"], 6, 0,
             source="Weaver, Sommer, Paxson 2009; lab case forged_reset: the victim answers with a reset of its own"),
        kernel_says("NO_SOCKET", "TCP_FLAGS"),
    ),
    prior={"sender": -2, "path": -7},
    emitter={"sender": "kernel", "path": "device"},
    lookalikes={
        "idle_timeout": "a device that forgot an idle connection: another TTL, and only after silences longer than those that survived",
        "data_after_close": "there, that side had sent its FIN",
        "port_reuse": "there, a new connection on the same ports explains the packet",
    },
    references=(("RFC 9293 section 3.5.1", "half-open connections"), ("Linux net/ipv4/tcp_ipv4.c", "tcp_v4_rcv, no_tcp_socket")),
)  # fmt: skip
