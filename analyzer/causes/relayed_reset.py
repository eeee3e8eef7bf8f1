"""A proxy passed on what had happened on its other side."""

from analyzer.causes.cause import Cause, Sign, all_of, kernel_says, known

CAUSE = Cause(
    id="relayed_reset",
    title="relayed reset: a proxy passed on the end of its other connection",
    origins=("sender",),
    mechanism=(
        "A proxy that terminates TCP has two connections, one to each side. When one of them is reset, it ends the other within milliseconds, mostly "
        "with a reset of its own (PgBouncer, HAProxy, Envoy, F5). The reset seen here is genuine and comes from the proxy's socket; the reason is on "
        "the leg where the first reset appeared."
    ),
    remedy=(
        "Follow the first broken leg: the finding for that connection names its cause. Nothing is to be changed at the proxy, except where it hides "
        "failures that it could mend itself (HAProxy `option redispatch` and `retries`, Envoy retry policy, nginx `proxy_next_upstream`)."
    ),
    confirm="The proxy's log for that time: HAProxy termination state (first letter S: the server aborted, C: the client), Envoy flags UC or DC, "
            "PgBouncer `server conn crashed?`.",
    signs=(
        Sign("other_leg",
             "its host had received a reset from {other_leg} on a connection in the opposite role, {other_leg_delay} before it ended this one",
             lambda e: known(e["other_leg"].notna(), e["other_leg"].notna() & e["other_leg_messages"].isna()), 22,
             group="leg", source="lab case haproxy_relayed_reset",
             plain="its host had received a reset on a connection in the opposite role, just before it ended this one"),
        Sign("carried_leg",
             "another capture point shows the last {other_leg_messages} messages of this connection on another one; {other_leg} had reset that one "
             "{other_leg_delay} before (to within {other_leg_error}, by the clocks)",
             lambda e: known(e["other_leg"].notna(), e["other_leg_messages"].notna()), 20, group="leg", source="lab case haproxy_relayed_reset",
             plain="another capture point shows the last messages of this connection on another one, which had been reset just before"),
        Sign("device_says_so", "the reset's own text says that it was passed on: {payload_text}",
             lambda e: e["payload_text"].str.contains("{peer}", regex=False), 20, 0, source="F5 K13223: the reset's cause in its payload",
             plain="the reset's own text says that it was passed on"),
        Sign("at_once", "only {other_leg_delay} passed between the two", lambda e: e["other_leg_delay"] <= 0.02, 3, 0,
             source="lab case haproxy_relayed_reset",
             plain="at most 20 ms passed between the two"),
        Sign("own_decision", "it answers no packet: the decision was taken on that host", lambda e: ~e["answers_trigger"], 3, -6,
             source="Linux tcp_send_active_reset"),
        Sign("no_fin", "{sender} had not closed before", lambda e: all_of(~e["sender_fin"]), 1, -4, source="lab case haproxy_relayed_reset"),
        kernel_says("TCP_STATE", "TCP_ABORT_ON_CLOSE"),
    ),
    prior={"sender": -12},
    emitter={"sender": "socket"},
    lookalikes={
        "abortive_close": "the same packet without a broken leg behind it",
        "process_exit": "there all legs of the proxy end at once, on both sides",
    },
    references=(("HAProxy configuration manual", "session state at disconnection"), ("Envoy documentation", "response flags"),
                ("F5 K13223", "reset cause text")),
)  # fmt: skip
