"""A packet passed the NAT without being translated, or the NAT's table said something else."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, kernel_says, known

CAUSE = Cause(
    id="nat_state_mismatch",
    title="NAT state mismatch: a packet arrived that its receiver could not know",
    origins=("sender", "path"),
    mechanism=(
        "A NAT or connection tracker no longer matched the packet: its entry had expired, the segment was outside the window that it tracked "
        "(conntrack INVALID), or both directions take different ways. It forwarded the packet untranslated, and the receiver, which knows no such "
        "address pair, answered with a bare reset; or the NAT's own kernel took a packet for itself and reset it (kubernetes issue 74839)."
    ),
    remedy=(
        "On Linux NATs: drop what is INVALID (`iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP`) or set "
        "`net.netfilter.nf_conntrack_tcp_be_liberal=1`; make the table large enough (`nf_conntrack_max`). Route both directions over the same "
        "device, or synchronise their state."
    ),
    confirm="On the NAT: `conntrack -S` (invalid, insert_failed, drop), `nf_conntrack: table full` in the kernel log, and a capture on both of its "
            "sides: one packet carries the private address on the outer side.",
    signs=(
        Sign("bare_answer", "it is a stateless answer", lambda e: e["answers_trigger"], 4,
             source="lab cases nat_client_first, nat_server_first", needed=True, cites=("trigger_frame",
             "frame")),
        Sign("untranslated", "the same ports and server belong to a connection of {twin}: here a packet shows an address that was not translated",
             lambda e: known(e["twin"].notna(), e["roles_known"].notna() & ~e["roles_known"].fillna(True)), 16, -4,
             source="lab cases nat_client_first, nat_server_first",
             cites=("trigger_frame",),
             plain="a packet shows an address that was not translated"),
        Sign("wrong_number", "the SYN-ACK that it answers acknowledges another SYN", lambda e: known(e["syn_answer"] == "wrong_number",
             e["syn_answer"].notna()),
             14, 0, source="Linux tcp_rcv_synsent_state_process"),
        Sign("in_use", "no timer had run out: no silence came before, or only one that this path survives",
             lambda e: any_of(e["idle_gap"] < 1.0, e["path_survived"] >= e["idle_gap"]),
             2, -4,
             source="lab cases nat_client_first, nat_server_first"),
        Sign("other_side_unaware", "the other end went on sending", lambda e: e["peer_data_after"], 3, 0,
             source="lab cases nat_client_first, nat_server_first"),
        Sign("closed", "{sender} had closed before", lambda e: all_of(e["sender_fin"]), -12, source="RFC 9293 3.10.7.4; lab case data_after_close"),
        kernel_says("NO_SOCKET", "TCP_FLAGS", "TCP_INVALID_ACK_SEQUENCE"),
    ),
    prior={"sender": -8, "path": -9},
    emitter={"sender": "kernel", "path": "device"},
    lookalikes={
        "idle_timeout": "there the entry had expired after a silence; no packet shows an untranslated address",
        "connection_state_lost": "there the host itself lost the connection",
        "injected_reset": "a forged reset answers no packet",
    },
    references=(("Linux Documentation/networking/nf_conntrack-sysctl.rst", "nf_conntrack_tcp_be_liberal, nf_conntrack_max"),
                ("kubernetes issue 74839", "resets by the node for INVALID packets")),
)  # fmt: skip
