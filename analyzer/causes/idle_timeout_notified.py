"""A device's idle timer ran out, and the device said so."""

from analyzer.causes.cause import Cause, Sign, all_of, known, shaking_hands

CAUSE = Cause(
    id="idle_timeout_notified",
    title="idle timeout, announced: a timer ended the silent connection with a reset",
    origins=("path", "sender"),
    mechanism=(
        "Some devices reset both ends at the moment when the idle timer of the connection runs out: Azure Load Balancer with TCP reset, Cisco ASA "
        "`set connection timeout idle … reset`, FortiGate `timeout-send-rst`, F5 BIG-IP. No packet triggers it. A proxy or server that closes idle "
        "connections abortively does the same with its own socket. TCP itself never does: a silent connection lives for ever."
    ),
    remedy=(
        "Keep the silence shorter than the timer: TCP keepalives on either side (PostgreSQL `tcp_keepalives_idle`, libpq `keepalives_idle`, Linux "
        "`net.ipv4.tcp_keepalive_time`), or drop idle connections from the pool earlier (`pool_recycle`, HikariCP `idleTimeout`). Or raise the "
        "device's timer. The announcement itself is useful: without it the next request would hang."
    ),
    confirm="The device's session log has the same time and addresses (ASA 302014 Conn-timeout, FortiGate `action=timeout`); its idle timer is "
            "the silence that the report names.",
    signs=(
        Sign("unprompted", "it came after {idle_gap} of silence and answers no packet",
             lambda e: all_of(~e["answers_trigger"], e["idle_gap"] >= 1.0), 5, source="lab case idle_notified", needed=True,
             plain="it came after a silence of a second or longer and answers no packet"),
        Sign("no_fin", "{sender} had not closed", lambda e: ~e["sender_fin"], 1, source="lab case idle_notified", needed=True),
        Sign("connected", "the connection had been in use", lambda e: ~shaking_hands(e), 0, source="lab case idle_notified", needed=True),
        Sign("always_the_same", "{path_failures} connections were reset after the same silence: "
             "the timer is longer than {timer_low} and at most {timer_high}",
             lambda e: known(e["timer_high"].notna(), e["path_failures"].notna()), 12, -2, source="lab case idle_timer_bracket",
             plain="connections were reset after the same silence, time after time"),
        Sign("both_ends", "both ends were told, neither as an answer to the other", lambda e: e["both_ends_reset"], 6, -1,
             source="Microsoft: Azure Load Balancer TCP reset and idle timeout; lab case idle_notified",
             cites=("frame", "other_reset_frame")),
        Sign("minutes", "the silence lasted minutes, as timers of devices do", lambda e: e["idle_gap"] >= 30.0, 3, -3,
             source="the defaults of devices, as their vendors document them (analyzer/endings/timers.py)"),
        Sign("survived_longer", "this path survived a longer silence ({path_survived})", lambda e: e["path_survived"] > e["idle_gap"] + 1.0, -10,
             source="lab case idle_timer_bracket",
             plain="this path survived a longer silence"),
        Sign("probing", "{sender} had been probing with keepalives, {keepalives} in a row", lambda e: e["keepalives"] >= 2, -12,
             source="Linux tcp_keepalive_timer; lab case keepalive_failure",
             plain="{sender} had been probing with keepalives, two or more in a row"),
        Sign("transaction", "a request was under way: somebody waited, nobody idled", lambda e: e["request_unanswered"], -4, 0,
             source="lab case nginx_client_abort"),
    ),
    prior={"path": -6, "sender": -8},
    emitter={"path": "device", "sender": "socket"},
    lookalikes={
        "idle_timeout": "a device that only forgets answers the next packet; here no packet came before",
        "abortive_close": "a program that throws away one idle connection: the silence differs from one time to the next",
        "injected_reset": "a forged reset that breaks an idle connection has no timer: it does not keep to one silence",
        "keepalive_timeout": "there, unanswered probes come first",
    },
    references=(("Azure Load Balancer documentation", "TCP reset at idle timeout"), ("Cisco ASA configuration guide", "set connection timeout idle"),
                ("RFC 9293 section 3.8.4", "TCP has no idle limit of its own")),
)  # fmt: skip
