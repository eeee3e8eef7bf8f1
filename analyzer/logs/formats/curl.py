"""Programs that fetch: curl and all that use libcurl (git among them), and wget.

Lives here: the format. `HTTP/2 stream 1 was reset` is no reset of a connection, and is not read.
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, LogFormat, all_samples, told, usual_head

TOLD = (
    told("connect", BY_ERROR, r"Failed to connect to (?P<server_name>\S{1,255}) port (?P<server_port>\d{1,5})(?: via \S{1,255})? after \d{1,9} ms: (?P<error>.{1,200})", ("Failed to connect to ",), "the client could not open a connection",
         {"curl: (7) Failed to connect to 127.0.0.1 port 9199 after 0 ms: Couldn't connect to server": {"event": "connect_failed", "server_ip": "127.0.0.1", "server_port": 9199},
          "curl: (7) Failed to connect to 127.0.0.1 port 9199 after 0 ms: Connection refused": {"event": "refused"}}, writer="client", verified="lab", unknown_error="connect_failed"),
    told("wget_connect", BY_ERROR, r"Connecting to [^\s|]{1,255}?(?: \([^)]{0,255}\))?(?:\|(?P<server_ip>[0-9A-Fa-f:.]{2,45})\|)?:(?P<server_port>\d{1,5})\.\.\. failed: (?P<error>[^.]{1,200})", ("... failed: ",), "the client could not open a connection",
         {"Connecting to example.com (example.com)|192.0.2.20|:443... failed: Connection timed out.": {"event": "timed_out", "server_ip": "192.0.2.20", "server_port": 443}, "Connecting to 127.0.0.1:9199... failed: Connection refused.": {"event": "refused"}},
         writer="client", verified="lab"),
    told("receive", BY_ERROR, r"Recv failure: (?P<error>.{1,200})", ("Recv failure: ",), "receiving from the server failed",
         {"curl: (56) Recv failure: Connection reset by peer": {"event": "reset_received"}, "fatal: unable to access 'http://127.0.0.1:9101/x.git/': Recv failure: Connection reset by peer": {"event": "reset_received"}}, writer="client", verified="lab"),
    told("send", BY_ERROR, r"Send failure: (?P<error>.{1,200})", ("Send failure: ",), "sending to the server failed",
         {"curl: (35) Send failure: Connection reset by peer": {"event": "reset_received"}, "curl: (55) Send failure: Broken pipe": {"event": "broken_pipe"}}, writer="client", verified="lab"),
    told("windows_reset", "reset_received", r"(?:Recv|Send) failure: Connection was reset|SSL_(?:connect|read|write): Connection was reset", ("failure: Connection was reset", ": Connection was reset"), "the client's kernel had received a reset; this is curl's own word for it on Windows",
         {"curl: (56) Recv failure: Connection was reset": {}, "error: RPC failed; curl 56 OpenSSL SSL_read: Connection was reset, errno 10054\nfatal: the remote end hung up unexpectedly": {}}, writer="client"),
    told("windows_abort", "aborted_locally", r"(?:Recv|Send) failure: Connection was aborted", ("failure: Connection was aborted",), "the client's own stack gave the connection up; nothing says that a reset arrived",
         {"curl: (55) Send failure: Connection was aborted": {}}, writer="client"),
    told("tls", BY_ERROR, r"OpenSSL SSL_(?:connect|read|write): (?P<error>.{1,200})", ("OpenSSL SSL_connect: ", "OpenSSL SSL_read: ", "OpenSSL SSL_write: "), "the TLS stream to the server failed",
         {"curl: (56) OpenSSL SSL_read: Connection reset by peer, errno 104": {"event": "reset_received"}, "curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to 127.0.0.1:9104": {"event": "reset_or_eof", "server_port": 9104}}, writer="client", verified="lab", unknown_error="reset_or_eof"),
    told("tls_abrupt", "reset_or_eof", r"TLS connect error: (?:Connection closed abruptly|error:00000000:)|schannel: (?:failed to receive handshake, SSL/TLS connection failed|server closed abruptly)", ("TLS connect error: ", "schannel: failed to receive handshake", "schannel: server closed abruptly"),
         "the stream ended where TLS had not", {"curl: (35) TLS connect error: Connection closed abruptly": {}, "curl: (35) TLS connect error: error:00000000:lib(0)::reason(0)": {}, "curl: (35) schannel: failed to receive handshake, SSL/TLS connection failed": {}, "curl: (56) schannel: server closed abruptly (missing close_notify)": {}}, writer="client"),
    told("empty", "reset_or_eof", r"Empty reply from server|HTTP request sent, awaiting response\.\.\. No data received", ("Empty reply from server", "awaiting response... No data received"), "the stream ended before any answer",
         {"curl: (52) Empty reply from server": {}, "HTTP request sent, awaiting response... No data received.": {}}, writer="client", verified="lab"),
    told("partial", "reset_or_eof", r"transfer closed with (?:\d{1,15} bytes|outstanding read data) remaining|end of response with \d{1,15} bytes missing|Connection closed at byte \d{1,15}\.", ("transfer closed with ", "end of response with ", "Connection closed at byte "), "the answer was cut off",
         {"curl: (18) transfer closed with 99500 bytes remaining to read": {}, "error: RPC failed; curl 18 transfer closed with outstanding read data remaining": {}, "(152 MB/s) - Connection closed at byte 500. Giving up.": {}, "curl: (18) end of response with 12 bytes missing": {}}, writer="client", verified="lab"),
    told("wget_read", BY_ERROR, r"Read error (?:at byte \d{1,15}(?:/\d{1,15})? )?\((?P<error>[^)]{1,200})\)", ("Read error ",), "receiving from the server failed",
         {"HTTP request sent, awaiting response... Read error (Connection reset by peer) in headers.": {"event": "reset_received"}, "(169 MB/s) - Read error at byte 500/100000 (Connection reset by peer). Giving up.": {"event": "reset_received"}}, writer="client", verified="lab"),
    told("own_timeout", "local_timeout", r"Operation timed out after \d{1,9} milliseconds with|Connection timed out after \d{1,9} (?:ms|milliseconds)|SSL connection timeout", ("Operation timed out after ", "Connection timed out after ", "SSL connection timeout"), "curl's own timer expired, and it closed the connection",
         {"curl: (28) Operation timed out after 2001 milliseconds with 0 bytes received": {}, "curl: (28) Connection timed out after 5001 ms": {}, "curl: (28) SSL connection timeout": {}}, writer="client"),
    told("git_hung_up", "reset_or_eof", r"fatal: (?:[Tt]he remote end hung up|early EOF)|unexpected disconnect while reading sideband packet", ("emote end hung up", "fatal: early EOF", "unexpected disconnect while reading sideband"), "the stream to git, the client, ended early",
         {"fatal: the remote end hung up unexpectedly": {}, "fatal: early EOF": {}, "fetch-pack: unexpected disconnect while reading sideband packet": {}}, writer="client", verified="unverified"),
)  # fmt: skip

FORMAT = LogFormat(
    id="curl",
    title="curl and libcurl, git, wget",
    reference="https://curl.se/libcurl/c/libcurl-errors.html",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01 12:00:00 ", "2024-05-01T12:00:00Z"),
    head=usual_head,
    anchored=False,
    rank=4,
)
