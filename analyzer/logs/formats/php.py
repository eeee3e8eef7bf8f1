"""PHP programs and PHP-FPM: what streams and the process manager say of a broken connection.

Lives here: the format. `HTTP request failed!` is said after a FIN and after a reset alike.
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, LogFormat, all_samples, told, usual_head

TOLD = (
    told("connect", BY_ERROR, r"(?:fsockopen|stream_socket_client)\(\): [Uu]nable to connect to (?P<server_name>[^:\s]{1,255}):(?P<server_port>\d{1,5}) \((?P<error>[^)]{1,200})\)", ("nable to connect to ",), "the client could not open a connection",
         {"PHP Warning:  fsockopen(): Unable to connect to 127.0.0.1:9199 (Connection refused) in /app/p.php on line 5": {"event": "refused", "server_ip": "127.0.0.1", "server_port": 9199}}, writer="client", verified="lab", unknown_error="connect_failed"),
    told("send", BY_ERROR, r"\(\): [Ss]end of \d{1,12} bytes failed with errno=\d{1,5} (?P<error>.{1,200})", ("nd of ", "bytes failed with errno="), "writing to the peer failed",
         {"PHP Notice:  fwrite(): Send of 1 bytes failed with errno=32 Broken pipe in /app/p.php on line 3": {"event": "broken_pipe"}, "PHP Notice:  fwrite(): send of 8192 bytes failed with errno=104 Connection reset by peer in /app/x.php on line 3": {"event": "reset_received"}}, verified="lab"),
    told("ssl", BY_ERROR, r"\(\): SSL: (?P<error>.{1,200})", ("(): SSL: ",), "a TLS stream of the program failed",
         {"PHP Warning:  file_get_contents(): SSL: Connection reset by peer in /app/x.php on line 5": {"event": "reset_received"}}, verified="unverified"),
    told("request_failed", "reset_or_eof", r"[Ff]ailed to open stream: HTTP request failed!", ("ailed to open stream: HTTP request failed!",), "no answer came to the client; PHP says the same of a FIN and of a reset",
         {"PHP Warning:  file_get_contents(http://127.0.0.1:9101/x): Failed to open stream: HTTP request failed! in /app/x.php on line 2": {}}, writer="client", verified="lab"),
    told("open_stream", BY_ERROR, r"[Ff]ailed to open stream: (?P<error>.{1,200})", ("ailed to open stream: ",), "the client could not open a connection",
         {"PHP Warning:  file_get_contents(http://127.0.0.1:9199/x): failed to open stream: Connection refused in /app/x.php on line 2": {"event": "refused"}}, writer="client", verified="lab"),
    told("child_died", "crash", r"child \d{1,10} exited on signal \d{1,3}", (" exited on signal ",), "a worker process died, and its connections with it",
         {"WARNING: [pool www] child 21643 exited on signal 11 (SIGSEGV - core dumped) after 12.345678 seconds from start": {}}, writer="server", verified="unverified"),
    told("child_timeout", "local_timeout", r"execution timed out \([\d.]{1,15} sec\), terminating", ("execution timed out (",), "the process manager ended a request that took too long",
         {'WARNING: [pool www] child 21643, script \'/app/index.php\' (request: "GET /index.php") execution timed out (30.123456 sec), terminating': {}}, writer="server", verified="unverified"),
)  # fmt: skip

FORMAT = LogFormat(
    id="php",
    title="PHP: streams and sockets, PHP-FPM",
    reference="https://www.php.net/manual/en/book.stream.php",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "[20-Nov-2026 07:58:06 UTC] ", "2026-11-20T07:58:06Z"),
    head=usual_head,
    anchored=False,
    rank=5,
)
