"""The server's keep-alive timer and the client's next request crossed on the wire."""

from analyzer.causes.cause import Cause, Sign, all_of, any_of, goodbye_said, kernel_says

# A request that leaves this soon after the FIN may have been on its way inside the sending host.
AT_ONCE = 0.05  # s

CAUSE = Cause(
    id="keep_alive_race",
    title="keep-alive race: one side hung up an idle connection just as the other used it again",
    origins=("sender",),
    mechanism=(
        "The side with the shorter keep-alive timer closes the idle connection with a FIN. In the same moment the other side takes the "
        "connection from its pool and sends a request, which arrives at a closed socket and is answered with a bare reset (RFC 9293 3.10.7.4; "
        "Linux tcp_rcv_state_process). Nobody did wrong: the timers have the wrong order. The request was never processed, so it may be repeated."
    ),
    remedy=(
        "Let the side that sends requests hang up first: its pool must keep connections idle for less time than the server's keep-alive "
        "(server > load balancer > client pool). Settings: nginx `keepalive_timeout`, Apache `KeepAliveTimeout`, Node.js `keepAliveTimeout` (above "
        "the balancer's 60 s), gunicorn `--keep-alive`, Tomcat `keepAliveTimeout`; on the client the pool's idle time. Repeat idempotent "
        "requests once."
    ),
    confirm="The silence before the FIN equals the closing side's keep-alive setting, time after time. A proxy in front logs 502 (nginx "
            "`upstream prematurely closed`, Envoy flag UC) although the server logs no error.",
    signs=(
        Sign("closed_first", "{sender} had sent its FIN {since_sender_fin} before", lambda e: e["sender_fin"], 6,
             source="RFC 9293 3.10.7.4; lab case data_after_close", needed=True,
             plain="{sender} had sent its FIN before"),
        Sign("data_after_fin", "{peer} sent payload that {sender} had not received when it sent that FIN",
             lambda e: e["peer_data_after_sender_fin"], 6,
             source="RFC 9293 3.10.7.4; lab case data_after_close", needed=True,
             cites=("trigger_frame",)),
        Sign("exact_answer", "the reset is the exact answer to it", lambda e: e["answers_trigger"], 6, -6, source="Linux tcp_v4_send_reset",
             cites=("trigger_frame", "frame")),
        Sign("crossed", "the two crossed: {sender_fin_to_peer_data} from the FIN to the payload as captured here, "
             "too soon for {peer} to have acted on the FIN",
             lambda e: any_of(e["fin_crossed"], e["sender_fin_to_peer_data"] <= AT_ONCE), 8, -14,
             source="lab cases nginx_keep_alive_race, data_after_close",
             plain="the two crossed: {peer} sent its payload too soon to have acted on the FIN"),
        Sign("request_lost", "what was lost is a request: the server had closed", lambda e: e["apparent_sender"] == "server", 0, -5,
             source="RFC 9112 section 9.5: a client's request meets the server's close"),
        Sign("idle_before", "the connection had been idle for {idle_before_fin} when it was closed", lambda e: e["idle_before_fin"] >= 1.0, 5, -8,
             source="lab case nginx_keep_alive_race",
             plain="the connection had been idle for a second or longer when it was closed"),
        Sign("used_before", "requests had been answered on it before", lambda e: all_of(e["sender_bytes"] > 0, e["peer_bytes"] > 0), 2, -6,
             source="RFC 9293 3.10.7.4; lab case data_after_close"),
        Sign("announced", "the server had said why it was leaving", goodbye_said, -6,
             source="server_timeout explains more"),
        kernel_says("TCP_ABORT_ON_DATA", "TCP_TIMEWAIT_SOCKET", "NO_SOCKET", "TCP_FLAGS"),
    ),
    prior={"sender": -3},
    emitter={"sender": "kernel"},
    lookalikes={
        "data_after_close": "there the FIN had arrived long before the other side spoke: it ignored the end of the stream",
        "idle_timeout": "there no FIN was sent: a device forgot the connection",
        "server_timeout": "there the server says goodbye in its protocol or its log",
        "process_exit": "there all connections of the service are closed at once, whether idle or not",
    },
    references=(("RFC 9112 section 9.5", "closing persistent connections at any time, and repeating requests"),
                ("RFC 9293 section 3.10.7.4", "data after CLOSE")),
)  # fmt: skip
