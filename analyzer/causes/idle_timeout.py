"""A device between the two forgot an idle connection and answered the next packet with a reset."""

from analyzer.causes.cause import Cause, Sign, all_of, known, shaking_hands

CAUSE = Cause(
    id="idle_timeout",
    title="idle timeout on the path: a device had forgotten the silent connection",
    origins=("path",),
    mechanism=(
        "Firewalls, NATs and balancers keep a timer for each connection. TCP itself has none: it never closes an idle connection. When the "
        "timer runs out the entry is gone, and the next packet is answered with a reset by the device (AWS NLB and NAT gateways, a REJECT of "
        "INVALID in netfilter), or dropped. The other end knows nothing of it."
    ),
    remedy=(
        "Keep the silence shorter than the timer: TCP keepalives on either side (PostgreSQL `tcp_keepalives_idle`, libpq `keepalives_idle`, "
        "`net.ipv4.tcp_keepalive_time`), or let the pool drop or test idle connections earlier (`pool_recycle`, `pool_pre_ping`, HikariCP "
        "`maxLifetime` and `keepaliveTime`). Whoever owns the device can raise its timer (AWS NLB "
        "`tcp.idle_timeout.seconds`, Azure `idleTimeoutInMinutes`, Linux `nf_conntrack_tcp_timeout_established`, Cisco ASA `timeout conn`, "
        "FortiGate `session-ttl`)."
    ),
    confirm=(
        "On the device: its session table and timer (`nf_conntrack_tcp_timeout_established`, the balancer's idle timeout). On the far host: "
        "the connection is still ESTABLISHED in `ss -tn` after the reset."
    ),
    signs=(
        Sign("answers_after_silence", "it answers the first packet after {idle_gap} of silence",
             lambda e: all_of(e["answers_trigger"], e["idle_gap"] >= 1.0), 10,
             source="lab case stale_pool", needed=True, cites=("trigger_frame", "frame"),
             plain="it answers the first packet after a silence of a second or longer"),
        Sign("no_fin", "{sender} had not closed", lambda e: ~e["sender_fin"], 3, source="lab case stale_pool", needed=True),
        Sign("connected", "the connection had been in use", lambda e: ~shaking_hands(e), 0, source="lab case stale_pool", needed=True),
        Sign("longer_than_survived", "that silence is longer than any that this path survived ({path_survived})",
             lambda e: e["idle_gap"] > e["path_survived"], 3, 0, source="lab case idle_timer_bracket",
             plain="the silence was longer than any that this path survived"),
        Sign("bracket_crossed", "this path survived a longer silence ({path_survived}) than the one before this reset ({idle_gap}): "
             "no one timer explains both",
             lambda e: e["path_survived"] >= e["idle_gap"], -10, 0, source="lab case idle_timer_bracket",
             plain="this path survived a longer silence than the one before this reset: no one timer explains both"),
        Sign("again_and_again", "{path_failures} connections of this path ended after such a silence",
             lambda e: e["path_failures"] >= 3, 3, 0, source="lab case idle_timer_bracket",
             plain="three or more connections of this path ended after such a silence"),
        Sign("bracketed", "the silences that failed and those that survived fit one timer: longer than {timer_low}, at most {timer_high}",
             lambda e: known(e["timer_high"].notna(), e["path_failures"] >= 3), 3, -3, source="lab case idle_timer_bracket",
             plain="the silences that failed and those that survived fit one timer"),
        Sign("works_again", "a new connection on the same path worked afterwards", lambda e: e["path_works_again"], 2, 0,
             source="lab case stale_pool"),
        Sign("refused_next", "the next attempt was refused", lambda e: e["retry_refused"], -8,
             source="lab case restart_refused: the service was down"),
        Sign("minutes", "the silence lasted minutes, as timers of devices do", lambda e: e["idle_gap"] >= 30.0, 3, 0,
             source="the defaults of devices, as their vendors document them (analyzer/endings/timers.py)"),
    ),
    prior={"path": -3},
    emitter={"path": "device"},
    lookalikes={
        "connection_state_lost": "an endpoint that lost the connection answers with its own TTL and from its "
                                 "own distance; other connections to it break too",
        "server_timeout": "an application's own idle timer closes with a goodbye or a FIN before the next packet",
        "keepalive_timeout": "there, probes went unanswered first",
    },
    references=(
        ("RFC 9293 section 3.8.4", "TCP keepalives; TCP has no idle limit of its own"),
        ("Linux Documentation/networking/nf_conntrack-sysctl.rst", "conntrack timers"),
    ),
)  # fmt: skip
