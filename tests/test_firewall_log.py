"""A firewall's log as evidence: a rule that rejects, whose line names the connection, argues for a packet filter and proves nothing."""

from __future__ import annotations

from pathlib import Path

from analyzer.pipeline import analyze

CASE = Path(__file__).parents[1] / "captures" / "firewall_reject"
LINE = (
    "{time} fw1 kernel: [12345.678901] {prefix}: IN=eth0 OUT=eth1 MAC=00:16:3e:aa:bb:cc SRC={client} DST={server} LEN=60 TOS=0x00 PREC=0x00 "
    "TTL=63 ID=1 DF PROTO=TCP SPT={sport} DPT={dport} WINDOW=64240 RES=0x00 SYN URGP=0 \n"
)


def test_a_rejecting_rule_argues_for_a_packet_filter(tmp_path: Path) -> None:
    log = tmp_path / "kern.log"

    def judged(prefix: str) -> tuple[float, list[object], list[object]]:
        ends = analyze(at={"client": CASE / "client.pcap"}, dissect=False).endings
        lines = [
            LINE.format(
                time=e.time.isoformat(),
                prefix=prefix,
                client=e.client_ip,
                server=e.server_ip,
                sport=e.client_port,
                dport=e.server_port,
            )
            for e in ends.itertuples()
        ]
        log.write_text("".join(lines))
        d = analyze(at={"client": CASE / "client.pcap"}, logs=[log], dissect=False)
        assert set(d.findings["cause"]) == {"firewall_reject"}
        assert d.findings["proof"].isna().all()
        shown = d.evidence[(d.evidence["rank"] == 1) & (d.evidence["sign"] == "firewall_log")]
        return float(d.findings["cause_confidence"].min()), shown["held"].tolist(), shown["log_lines"].tolist()

    sure, held, cited = judged("FW-REJECT")
    assert set(held) == {True}
    assert cited == [[("kern.log", n)] for n in range(1, len(cited) + 1)]
    silent, held, _ = judged("web")  # what became of the packet its name does not say
    assert not any(one is True for one in held)
    assert sure >= silent
