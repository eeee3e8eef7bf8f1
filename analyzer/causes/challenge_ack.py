"""A reset or a SYN that does not fit exactly is answered with a question."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, kernel_says

CAUSE = Cause(
    id="challenge_ack",
    title="challenge ACK: the server still held an old connection of this client",
    origins=("sender",),
    mechanism=(
        "The client had lost a connection (restart, crash, battery) and opened a new one from the same port. The server still has the old one, so it "
        "does not accept the SYN but answers it with an ACK of the old connection, the challenge of RFC 5961 4.2 (Linux tcp_send_challenge_ack). "
        "The client's kernel knows nothing of it and answers with an exact reset; that ends the old connection at the server, whose program reads "
        "ECONNRESET, and the client's next SYN succeeds. The same question protects against resets with guessed numbers (RFC 5961 3.2)."
    ),
    remedy=(
        "The exchange itself is right and heals the connection. Find why the client lost the old one. TCP keepalives on the server "
        "(`tcp_keepalives_idle`) remove dead connections before their ports come round again. The server's `connection reset by peer` belongs to the "
        "old, already dead connection."
    ),
    confirm="On the server: `nstat -az TcpExtTCPChallengeACK TcpExtTCPSYNChallenge` rise. On the client: its restart, or the earlier loss.",
    signs=(
        Sign("chain", "the server answered the SYN with a bare ACK of another connection, and the client reset that",
             lambda e: any_of(all_of(e["apparent_sender"] == "client", e["answers_trigger"], e["syn_answer"] == "ack"),
                              all_of(e["ineffective"], e["challenged"])), 12,
             source="RFC 5961 4.2; lab case restarted_client", needed=True, cites=("trigger_frame", "frame")),
        Sign("old_one_open", "the earlier connection on these ports had never been closed in the capture",
             lambda e: e["same_ports_ended"].isin(["open", "silence", "reset"]).mask(e["same_ports_ended"].isna()), 8, -10,
             source="RFC 5961 4.2; lab case restarted_client"),
        Sign("survived", "the reset had no effect: the end that received it asked back and went on", lambda e: all_of(e["ineffective"],
             e["challenged"]),
             4, 0, source="RFC 5961 3.2"),
        kernel_says("TCP_INVALID_ACK_SEQUENCE", "NO_SOCKET"),
    ),
    prior={"sender": -1},
    emitter={"sender": "kernel"},
    lookalikes={
        "port_reuse": "there the old connection was over and only its TIME-WAIT was left",
        "injected_reset": "a forged reset with a guessed number draws a challenge ACK too, and nothing follows",
    },
    references=(("RFC 5961 sections 3.2 and 4.2", "challenge ACKs for resets and SYNs"), ("Linux net/ipv4/tcp_input.c", "tcp_send_challenge_ack")),
)  # fmt: skip
