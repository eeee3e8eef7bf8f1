"""OpenSSL: what its error queue says of a TLS stream that broke, in whatever program's log it stands.

Lives here: the format.
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, LogFormat, all_samples, told, usual_head

TOLD = (
    told("end", "unexpected_end", r"unexpected eof while reading", ("unexpected eof while reading",), "the stream ended without the close_notify of TLS",
         {"40D77F921C7F0000:error:0A000126:SSL routines:ssl3_read_n:unexpected eof while reading:../ssl/record/rec_layer_s3.c:318:": {}}, verified="lab"),
    told("errno", BY_ERROR, r"\b(?:read|write|connect):(?P<error>errno=\d{1,5})", ("read:errno=", "write:errno=", "connect:errno="), "a socket under TLS failed; the number is the operating system's",
         {"write:errno=104": {"event": "reset_received"}, "connect:errno=111": {"event": "refused"}, "read:errno=0": {"event": "reset_or_eof"}}, verified="lab", unknown_error="reset_or_eof"),
    told("syscall_errno", BY_ERROR, r"SSL_ERROR_SYSCALL, (?P<error>errno \d{1,5})", ("SSL_ERROR_SYSCALL, errno ",), "a socket under TLS failed; the number is the operating system's",
         {"SSL_ERROR_SYSCALL, errno 104": {"event": "reset_received"}, "SSL_ERROR_SYSCALL, errno 0": {"event": "reset_or_eof"}}, verified="lab", unknown_error="reset_or_eof"),
    told("syscall", "reset_or_eof", r"SSL_ERROR_SYSCALL", ("SSL_ERROR_SYSCALL",), "a socket ended under TLS; whether by FIN or by reset the text does not tell", {"tls: SSL_ERROR_SYSCALL": {}}, verified="lab"),
    told("no_tls", "protocol_error", r"SSL routines:.{0,60}:wrong version number", (":wrong version number",), "what the peer sent was no TLS",
         {"140735:error:1408F10B:SSL routines:ssl3_get_record:wrong version number:../ssl/record/ssl3_record.c:332:": {}}, verified="unverified"),
    told("alert", "protocol_error", r"SSL alert number \d{1,3}|(?:sslv3|tlsv1|tlsv13|ssl/tls) alert [a-z ]{2,60}", ("SSL alert number ", "ssl/tls alert ", "sslv3 alert ", "tlsv1 alert ", "tlsv13 alert "), "the peer ended the TLS session with a fatal alert",
         {"error:0A000416:SSL routines::ssl/tls alert certificate unknown:SSL alert number 46": {}, "tlsv1 alert unknown ca": {}}, verified="third_party"),
)  # fmt: skip

FORMAT = LogFormat(
    id="openssl",
    title="OpenSSL errors, in any program's log",
    reference="https://docs.openssl.org/master/man3/SSL_get_error/",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01 12:00:00 ", "2024-05-01T12:00:00Z"),
    head=usual_head,
    anchored=False,
    rank=7,
)
