"""Ruby programs: the Errno exceptions of its sockets.

Lives here: the format. Never here: ruby-pg, which repeats libpq's texts (libpq.py).
"""

from __future__ import annotations

from analyzer.logs.log_format import LogFormat, all_samples, told, usual_head

TOLD = (
    told("refused", "refused", r"Errno::ECONNREFUSED(?:: Failed to open TCP connection to (?P<server_name>[^:\s]{1,255}):(?P<server_port>\d{1,5}))?", ("Errno::ECONNREFUSED",), "a reset answered the client's SYN",
         {"9199 Errno::ECONNREFUSED: Failed to open TCP connection to 127.0.0.1:9199 (Connection refused - connect(2) for 127.0.0.1:9199)": {"server_ip": "127.0.0.1", "server_port": 9199}}, writer="client", verified="lab"),
    told("reset", "reset_received", r"Errno::ECONNRESET\b", ("Errno::ECONNRESET",), "the writer's kernel had received a reset",
         {"r.rb:3:in `readpartial': Connection reset by peer (Errno::ECONNRESET)\n\tfrom r.rb:3:in `<main>'": {}, "Errno::ECONNRESET: Connection reset by peer - SSL_connect": {}}, verified="lab"),
    told("broken_pipe", "broken_pipe", r"Errno::EPIPE\b", ("Errno::EPIPE",), "the writer wrote to a connection that was already closed or reset",
         {"r.rb:4:in `write': Broken pipe (Errno::EPIPE)": {}}, verified="lab"),
    told("end", "unexpected_end", r"EOFError: end of file reached|end of file reached \(EOFError\)", ("EOFError: end of file reached", "end of file reached (EOFError)"), "the stream ended where the program wanted more",
         {"9104 EOFError: end of file reached": {}, "r.rb:3:in `readline': end of file reached (EOFError)": {}}, verified="lab"),
    told("timed_out", "timed_out", r"Errno::ETIMEDOUT\b", ("Errno::ETIMEDOUT",), "no answer came; nothing says that a reset arrived",
         {"Errno::ETIMEDOUT: Connection timed out - connect(2) for 192.0.2.20:443": {"server_ip": "192.0.2.20", "server_port": 443}}, verified="unverified"),
)  # fmt: skip

FORMAT = LogFormat(
    id="ruby",
    title="Ruby: exceptions and backtraces",
    reference="https://docs.ruby-lang.org/en/master/Errno.html",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "E, [2024-05-01T12:00:00.123456 #21643] ERROR -- : ", "2024-05-01T12:00:00.123456Z"),
    head=usual_head,
    anchored=False,
    rank=5,
)
