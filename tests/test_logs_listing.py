"""`pcapreport logs` and `formats`: what was recognised, what was not, and what is known, before any capture is at hand."""

from __future__ import annotations

from pathlib import Path

from analyzer import pipeline
from analyzer.logs import all_envelopes, all_formats
from analyzer.report import listing

MIXED = """\
Nov 20 18:33:27 web1 sshd[7]: Connection reset by 192.0.2.10 port 51234 [preauth]
write: Broken pipe
2026-11-20 18:33:26.358 JST [7] shop@shop LOG:  could not receive data from client: Connection reset by peer
2026-11-20 18:33:27 app SocketException is the name of a class: java.net.SocketException: of which we say nothing
"""


def test_what_was_recognised_in_each_log(tmp_path: Path) -> None:
    (tmp_path / "mixed.log").write_text(MIXED)
    (tmp_path / "ja.log").write_bytes(
        MIXED.splitlines()[2].encode() + " 接続が相手からリセットされました\n".encode("euc_jp")
    )
    (tmp_path / "empty.log").write_text("nothing of interest\n")
    lines, sources, _ = pipeline.recognised([str(tmp_path / name) for name in ("mixed.log", "ja.log", "empty.log")])
    assert lines["source"].tolist() == ["mixed.log", "mixed.log", "ja.log"]
    assert listing.log_sources_text(sources).splitlines() == [
        "mixed.log: 4 lines, 2 entries recognised",
        "  format          openssh 1, postgresql 1 in syslog",
        "  time            2026-11-20T09:33:26.358000000Z to 2026-11-20T18:33:27.000000000Z",
        "  zone            printed by some; the others are read as UTC, unless a capture or --log-timezone",
        "                  tells it",
        "  events          reset_received 2",
        "  no time         left out: 1",
        "  not understood  hold a known text: 1; lines 4",
        "",
        "ja.log: 1 lines, 1 entries recognised",
        "  format    postgresql 1",
        "  time      2026-11-20T09:33:26.358000000Z to 2026-11-20T09:33:26.358000000Z",
        "  zone      printed",
        "  encoding  euc_jp",
        "  events    reset_received 1",
        "",
        "empty.log: 1 lines, 0 entries recognised",
        "  format  nothing recognised",
    ]


def test_every_format_and_envelope_is_listed_and_told() -> None:
    pages = pipeline.format_pages()
    assert set(pages) == {one.id for one in (*all_formats(), *all_envelopes())}
    text = listing.formats_text(list(pages.values()))
    for page in pages.values():
        assert f"  {page['id']} " in text
        told = listing.format_text(page)
        assert page["title"] in told and page["reference"] in told
        flat = " ".join(told.split())
        for said in page["said"]:
            assert all(event in told for event in said["events"])
            assert " ".join(said["proves"][1:].split()) in flat
