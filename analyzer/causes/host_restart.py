"""The machine came back without any memory of its connections."""

from analyzer.causes.cause import Cause, Sign, all_of, connected, kernel_says, known

CAUSE = Cause(
    id="host_restart",
    title="host restarted: the machine no longer knew any of its connections",
    origins=("sender",),
    mechanism=(
        "A machine that crashes or restarts says nothing to its peers. They go on, repeat what is not acknowledged, and when the machine is back "
        "its kernel answers each of them with a bare reset, because no socket belongs to their packets (RFC 9293 3.5.1, half-open connections; "
        "Linux reason NO_SOCKET). All services of that address lose their connections, not only one."
    ),
    remedy=(
        "Find out why it restarted (`last -x reboot`, hypervisor and hardware logs, a watchdog, a live migration). Clients: retry with backoff, "
        "and use keepalives or `tcp_user_timeout`, so that they notice in seconds and not when they next speak. For a service that must not stop: "
        "a standby and a moving address."
    ),
    confirm="`uptime -s` and `journalctl --list-boots` on that host, before any other argument. TCP timestamps prove nothing here: Linux gives each "
            "connection its own offset.",
    signs=(
        Sign("bare_answer", "it is the stateless answer to a packet of an established connection",
             lambda e: all_of(e["answers_trigger"], e["trigger_had_ack"], connected(e)), 10,
             source="RFC 9293 3.5.1; Linux tcp_v4_send_reset", needed=True, cites=("trigger_frame", "frame")),
        Sign("no_fin", "{sender} had not closed within the capture", lambda e: ~e["sender_fin"], 2,
             source="RFC 9293 3.5.1; lab cases server_state_lost, host_power_cycle", needed=True),
        Sign("several_services", "connections to {host_ports_lost} different ports of that host were lost within a minute",
             lambda e: e["host_ports_lost"] >= 2, 9, -5, source="RFC 9293 3.5.1; lab case host_power_cycle: all flows of that host break",
             plain="connections to two or more ports of that host were lost within a minute"),
        Sign("unanswered_before", "the other side had repeated itself {retransmissions} times without an answer before",
             lambda e: e["retransmissions"] >= 2, 5, -3, source="RFC 9293 3.5.1; lab cases server_state_lost, host_power_cycle",
             plain="the other side had repeated itself without an answer before"),
        Sign("unreachable_meanwhile", "{icmp_from} had said by ICMP before: {icmp_error}",
             lambda e: known(e["icmp_error"] == "host unreachable", e["icmp_error"].notna()), 4, 0,
             source="RFC 1812 3.3.2: nobody answers ARP for a machine that is down", cites=("icmp_frame",),
             plain="a router had said by ICMP before that the host was unreachable"),
        Sign("refused_next", "the next attempt was refused: the service was not up again", lambda e: e["retry_refused"], 3, 0,
             source="RFC 9293 3.5.1; lab cases server_state_lost, host_power_cycle"),
        Sign("others_live", "other connections of the same port lived on", lambda e: all_of(e["lived_together"] >= 2, e["same_moment"] == 0), -4, 0,
             source="RFC 9293 3.5.1; lab cases server_state_lost, host_power_cycle"),
        kernel_says("NO_SOCKET", "TCP_FLAGS"),
    ),
    prior={"sender": -5},
    emitter={"sender": "kernel"},
    lookalikes={
        "connection_state_lost": "one service or one connection alone: the process restarted, or the state went some other way",
        "idle_timeout": "a device forgot the connection: another TTL, and only after a silence",
        "process_exit": "a dying process closes its sockets: FINs and resets come at once",
    },
    references=(("RFC 9293 section 3.5.1", "half-open connections and other anomalies"),
                ("Linux net/core/secure_seq.c", "timestamp offset per connection")),
)  # fmt: skip
