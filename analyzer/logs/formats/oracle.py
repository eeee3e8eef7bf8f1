"""Oracle: what its server and its clients write in alert log, sqlnet.log and listener.log, and the ORA- errors in any program's log.

Lives here: the format. A `Fatal NI connect error` is a block of lines with the time and the client's address below its first.
"""

from __future__ import annotations

from analyzer.logs.log_format import BY_ERROR, LogFormat, all_samples, told, usual_head

_STAMP = "06-FEB-2025 00:16:10 "
_ADDRESS = r"\(HOST=(?P<client_ip>[^)]{2,45})\)\(PORT=(?P<client_port>\d{1,5})\)"


def _block(number: int, errors: str) -> str:
    return (
        f"Fatal NI connect error {number}.\n\n  VERSION INFORMATION:\n\tTNS for Linux: Version 19.0.0.0.0 - Production\n  Time: 06-FEB-2025 00:16:10\n"
        f"  Tracing not turned on.\n  Tns error struct:\n    ns main err code: {number}\n{errors}\n"
        "  Client address: (ADDRESS=(PROTOCOL=tcp)(HOST=192.0.2.10)(PORT=51234))"
    )


_ENDS = {"client_ip": "192.0.2.10", "client_port": 51234, "writer": "server"}
BLOCKS = (
    told("fatal_error", BY_ERROR, rf"Fatal NI connect error 125\d\d.{{0,2000}}?(?P<error>(?:Linux|Solaris|HPUX|Windows) Error: \d{{1,5}}: [^:(]{{1,60}})(?:.{{0,400}}?Client address: .{{0,60}}?{_ADDRESS})?", ("Fatal NI connect error 125",), "the server's connection to this client failed",
         {_block(12547, "    TNS-12547: TNS:lost contact\n    TNS-00517: Lost contact\n    Linux Error: 104: Connection reset by peer\n    nt secondary err code: 104"): {"event": "reset_received", **_ENDS}}, writer="server", verified="third_party"),
    told("fatal_closed", "reset_or_eof", rf"Fatal NI connect error (?:12537|12547|12560|12637|12638)\b(?:.{{0,3000}}?Client address: .{{0,60}}?{_ADDRESS})?", ("Fatal NI connect error 12",), "the server found its client gone; whether by FIN or by reset this text does not tell",
         {_block(12537, "    TNS-12537: TNS:connection closed\n    nt secondary err code: 0"): _ENDS}, writer="server", verified="third_party"),
    told("fatal_timeout", "timed_out", rf"Fatal NI connect error 12170\b(?:.{{0,3000}}?Client address: .{{0,60}}?{_ADDRESS})?", ("Fatal NI connect error 12170",), "nothing came from this client in time; nothing says that a reset arrived",
         {_block(12170, "    TNS-12535: TNS:operation timed out\n    nt secondary err code: 110"): _ENDS}, writer="server", verified="third_party"),
)  # fmt: skip
LINES = (
    told("listener_accepted", "opened", rf".{{0,40}}?\* \(CONNECT_DATA=.{{0,2000}}?\) \* \(ADDRESS=\(PROTOCOL=\w{{1,10}}\){_ADDRESS}\) \* establish \* \S{{1,100}} \* 0\b", (" * establish * ",), "a client connected and was handed to a server process",
         {"* (CONNECT_DATA=(SID=gw_alpha)(CID=(PROGRAM=)(HOST=source-host.local)(USER=os_admin))) * (ADDRESS=(PROTOCOL=tcp)(HOST=10.10.20.10)(PORT=44946)) * establish * gw_alpha * 0": {"client_ip": "10.10.20.10", "client_port": 44946}}, writer="server", verified="third_party"),
    told("listener_refused", "rejected", rf".{{0,40}}?\* \(CONNECT_DATA=.{{0,2000}}?\) \* \(ADDRESS=\(PROTOCOL=\w{{1,10}}\){_ADDRESS}\) \* establish \* \S{{1,100}} \* 125\d\d", (" * establish * ",), "the listener could not hand this client to a server process",
         {"* (CONNECT_DATA=(SID=x)) * (ADDRESS=(PROTOCOL=tcp)(HOST=10.10.20.10)(PORT=44947)) * establish * x * 12518": {"client_port": 44947}}, writer="server", verified="third_party"),
    told("no_listener", "refused", r"(?:TNS|ORA)-12541: (?:TNS:no listener|Cannot connect\. No listener)", ("-12541: ",), "a reset answered the client's SYN", {"ORA-12541: TNS:no listener": {"writer": "client"}}, writer="client", verified="third_party"),
    told("connect_timeout", "timed_out", r"(?:TNS|ORA)-12170: (?:TNS:Connect timeout occurred|Cannot connect)", ("-12170: ",), "no answer came to the client's attempt to connect", {"ORA-12170: TNS:Connect timeout occurred": {}}, writer="client", verified="third_party"),
    told("timed_out", "timed_out", r"(?:TNS|ORA)-12535: TNS:operation timed out", ("-12535: TNS:operation timed out",), "no answer came; nothing says that a reset arrived", {"TNS-12535: TNS:operation timed out": {}}, verified="third_party"),
    told("system_error", BY_ERROR, r"(?P<error>(?:Linux|Solaris|HPUX|IBM/AIX RISC System/6000) Error: \d{1,5}: .{1,60})", ("Linux Error: ", "Solaris Error: ", "HPUX Error: ", "System/6000 Error: "), "a connection of Oracle failed",
         {"TNS-12547: TNS:lost contact\n TNS-00517: Lost contact\n  Linux Error: 104: Connection reset by peer": {"event": "reset_received"}, "TNS-12560: TNS:protocol adapter error\n  Linux Error: 32: Broken pipe": {"event": "broken_pipe"}}, verified="third_party"),
    *(told("windows_error", event, rf"Windows Error: {number}: Unknown error", (f"Windows Error: {number}: ",), f"a connection of Oracle failed; the number is Windows' {10000 + number}", {f"TNS-00517: Lost contact\n   64-bit Windows Error: {number}: Unknown error": {}}, verified="third_party")
      for number, event in ((54, "reset_received"), (53, "aborted_locally"), (60, "timed_out"), (61, "refused"))),
    told("lost_contact", "reset_or_eof", r"(?:TNS|ORA)-12547: TNS:lost contact", ("-12547: TNS:lost contact",), "the connection was gone; whether by FIN or by reset the text does not tell", {"ORA-12547: TNS:lost contact": {}}, verified="third_party"),
    told("closed", "reset_or_eof", r"(?:TNS|ORA)-12537: TNS:connection closed", ("-12537: TNS:connection closed",), "the stream ended", {"TNS-12537: TNS:connection closed": {}}, verified="third_party"),
    told("end_of_file", "reset_or_eof", r"ORA-03113: end-of-file on communication channel", ("ORA-03113: ",), "the client lost the server: its process ended, or the network dropped the session", {"ORA-03113: end-of-file on communication channel\nProcess ID: 21643\nSession ID: 133 Serial number: 45123": {"writer": "client"}}, writer="client", verified="third_party"),
    told("lost", "reset_or_eof", r"ORA-03135: connection lost contact", ("ORA-03135: ",), "the client found its connection gone, as after a device on the path forgot it", {"ORA-03135: connection lost contact": {}}, writer="client", verified="third_party"),
    told("not_connected", "closed_locally", r"ORA-03114: not connected to ORACLE", ("ORA-03114: ",), "the client used a connection that it knew to be gone", {"ORA-03114: not connected to ORACLE": {}}, writer="client", verified="third_party"),
    told("session_killed", "terminated_by_administrator", r"opiodr aborting process unknown ospid \((?P<pid>\d{1,10})\) as a result of ORA-28\b", ("opiodr aborting process unknown",), "an administrator killed this server process's session", {"opiodr aborting process unknown ospid (379168) as a result of ORA-28": {"pid": 379168}}, writer="server", verified="third_party"),
    told("session_idle", "idle_timeout", r"opiodr aborting process unknown ospid \((?P<pid>\d{1,10})\) as a result of ORA-2396\b", ("opiodr aborting process unknown",), "this server process's session sat idle longer than its profile allows", {"opiodr aborting process unknown ospid (379169) as a result of ORA-2396": {"pid": 379169}}, writer="server", verified="third_party"),
    told("left_in_login", "unexpected_end", r"ORA-609 : opiodr aborting process unknown ospid \((?P<pid>\d{1,10})\)|opiodr aborting process unknown ospid \(\d{1,10}\) as a result of ORA-609\b", ("opiodr aborting process unknown",), "the client went away during its login", {"ORA-609 : opiodr aborting process unknown ospid (21643)": {"pid": 21643}}, writer="server", verified="third_party"),
)  # fmt: skip

FORMAT = LogFormat(
    id="oracle",
    title="Oracle: alert log, sqlnet.log, listener.log, ORA- and TNS- errors",
    reference="https://docs.oracle.com/en/error-help/db/",
    messages=tuple(one.message for one in (*BLOCKS, *LINES)),
    samples=(*all_samples(BLOCKS, "", "2025-02-06T00:16:10Z"), *all_samples(LINES, _STAMP, "2025-02-06T00:16:10Z")),
    head=usual_head,
    anchored=False,
    rank=4,
)
