"""Microsoft's SQL Server clients: SqlClient for .NET, in seven languages, and the ODBC driver.

Lives here: the format. The clause in brackets at the end repeats the operating system's text, in its language, or a number.
Never here: what SQL Server itself writes (sqlserver.py).
"""

from __future__ import annotations

import re

from analyzer.logs.log_format import BY_ERROR, LogFormat, Told, all_samples, told, usual_head

# What the client was doing -> its text by language.
_DOING = {
    "receive_failed": ("Receiving the answer failed", {
        "en": "A transport-level error has occurred when receiving results from the server",
        "ja": "サーバーから結果を受信しているときに、トランスポート レベルのエラーが発生しました",
        "zh_CN": "在从服务器接收结果时发生传输级错误",
        "ko": "서버로부터 결과를 수신하는 동안 전송 수준 오류가 발생했습니다",
        "de": "Fehler auf Übertragungsebene beim Empfang von Ergebnissen vom Server",
        "fr": "Une erreur de niveau transport s'est produite lors de la réception des résultats du serveur",
        "es": "Error en el nivel del transporte al recibir los resultados del servidor"}),
    "send_failed": ("Sending a request failed: the connection may have been dead for long", {
        "en": "A transport-level error has occurred when sending the request to the server",
        "ja": "サーバーに要求を送信しているときに、トランスポート レベルのエラーが発生しました",
        "zh_CN": "在向服务器发送请求时发生传输级错误",
        "ko": "서버로 요청을 보내는 동안 전송 수준 오류가 발생했습니다",
        "de": "Fehler auf Übertragungsebene beim Senden der Anforderung an den Server",
        "fr": "Une erreur de niveau transport s'est produite lors de l'envoi de la requête au serveur",
        "es": "Error en el nivel de transporte al enviar la solicitud al servidor"}),
    "handshake_failed": ("The connection stood and broke before the login", {
        "en": "A connection was successfully established with the server, but then an error occurred during the pre-login handshake",
        "ja": "サーバーとの接続を正常に確立しましたが、ログイン前のハンドシェイク中にエラーが発生しました",
        "zh_CN": "已成功与服务器建立连接，但是在登录前的握手期间发生错误",
        "ko": "서버에 연결했지만 사전 로그인 핸드셰이크 중에 오류가 발생했습니다",
        "de": "Es konnte eine Verbindung mit dem Server hergestellt werden, doch während des Handshakes vor der Anmeldung trat ein Fehler auf",
        "fr": "Une connexion a été établie avec le serveur, mais une erreur s'est ensuite produite pendant la négociation préalable à l'ouverture de session",
        "es": "Se ha establecido la conexión con el servidor correctamente, pero se ha producido un error durante el inicio de sesión previo del protocolo de enlace"}),
    "login_failed": ("The connection stood and broke during the login", {
        "en": "A connection was successfully established with the server, but then an error occurred during the login process",
        "ja": "サーバーとの接続を正常に確立しましたが、ログイン中にエラーが発生しました",
        "zh_CN": "已成功与服务器建立连接，但是在登录过程中发生错误",
        "ko": "서버에 연결했지만 로그인하는 동안 오류가 발생했습니다",
        "de": "Es konnte eine Verbindung mit dem Server hergestellt werden, doch während des Anmeldevorgangs trat ein Fehler auf",
        "fr": "Une connexion a été établie avec le serveur, mais une erreur s'est ensuite produite pendant le processus d'ouverture de session",
        "es": "La conexión con el servidor se ha establecido correctamente, pero se ha producido un error durante el proceso de inicio de sesión"}),
}  # fmt: skip
# The clause that the provider adds, by language.
_CLAUSES = {
    "en": ". (provider: TCP Provider, error: 0 - An existing connection was forcibly closed by the remote host.)",
    "ja": "。 (プロバイダー:TCP プロバイダー、エラー:0 - 既存の接続はリモート ホストに強制的に切断されました。)",
    "zh_CN": "。 (provider: TCP 提供程序, error: 0 - 远程主机强迫关闭了一个现有的连接。)",
    "ko": ". (공급자: TCP 공급자, 오류: 0 - 현재 연결은 원격 호스트에 의해 강제로 끊겼습니다.)",
    "de": ". (Anbieter: TCP-Anbieter, Fehler: 0 – Eine vorhandene Verbindung wurde vom Remotehost geschlossen.)",
    "fr": ". (provider: Fournisseur TCP, error: 0 - Une connexion existante a dû être fermée par l’hôte distant.)",
    "es": ". (proveedor: Proveedor TCP, error: 0 - Se ha forzado la interrupción de una conexión existente por el host remoto.)",
}  # fmt: skip
_HEX = {
    "0x2746": "reset_received",
    "0x68": "reset_received",
    "0x20": "broken_pipe",
    "0x274C": "timed_out",
}  # the ODBC driver's numbers


def _in_every_language(id: str, proves: str, texts: dict[str, str]) -> list[Told]:
    return [
        told(
            id, BY_ERROR, re.escape(text).replace("'", "['’]") + r"(?P<error>.{0,300})", (text.split("'")[0],), proves,
            {text + _CLAUSES[language]: {"event": "reset_received", "writer": "client"}}, writer="client", language=language, unknown_error="reset_or_eof",
        )
        for language, text in texts.items()
    ]  # fmt: skip


TOLD = (
    told("dead_in_pool", "closed_locally", r"error: 19 - Physical connection is not usable", ("Physical connection is not usable",), "the client wanted to use a connection of its pool that was already closed",
         {"A transport-level error has occurred when sending the request to the server. (provider: TCP Provider, error: 19 - Physical connection is not usable)": {}}, writer="client"),
    *(message for id, (proves, texts) in _DOING.items() for message in _in_every_language(id, proves, texts)),
    told("execution_timeout", "local_timeout", r"Execution Timeout Expired", ("Execution Timeout Expired",), "the client's own command timer expired; the connection usually stays",
         {"Microsoft.Data.SqlClient.SqlException (0x80131904): Execution Timeout Expired.  The timeout period elapsed prior to completion of the operation or the server is not responding.": {}}, writer="client"),
    *(told("odbc_code", event, rf"TCP Provider: Error code {code}\b", (f"TCP Provider: Error code {code}",), "the ODBC driver, the client, lost the server; the number is the operating system's",
           {f"('08S01', '[08S01] [Microsoft][ODBC Driver 18 for SQL Server]TCP Provider: Error code {code} (SQLExecDirectW)')": {}}, writer="client", verified="unverified") for code, event in _HEX.items()),
    told("odbc_lost", BY_ERROR, r"\[Microsoft\]\[.{1,60}?\](?:\[SQL Server\])?TCP Provider: (?P<error>.{1,200})", ("]TCP Provider: ",), "the ODBC driver, the client, lost the server",
         {"pyodbc.OperationalError: ('08S01', '[08S01] [Microsoft][ODBC Driver 17 for SQL Server]TCP Provider: An existing connection was forcibly closed by the remote host.\\r\\n (10054) (SQLExecDirectW)')": {"event": "reset_received"}},
         writer="client", verified="unverified", unknown_error="reset_or_eof"),
    told("odbc_link", "reset_or_eof", r"\[Microsoft\]\[.{1,60}?\](?:\[SQL Server\])?Communication link failure", ("]Communication link failure",), "the ODBC driver, the client, lost the server",
         {"[08S01] [Microsoft][ODBC Driver 17 for SQL Server]Communication link failure (0) (SQLExecDirectW)": {}}, writer="client", verified="unverified"),
)  # fmt: skip

FORMAT = LogFormat(
    id="sqlclient",
    title="SQL Server clients: SqlClient (.NET), ODBC",
    reference="https://learn.microsoft.com/sql/connect/ado-net/introduction-microsoft-data-sqlclient-namespace",
    messages=tuple(one.message for one in TOLD),
    samples=all_samples(TOLD, "2024-05-01 12:00:00.123 [ERR] ", "2024-05-01T12:00:00.123Z"),
    head=usual_head,
    anchored=False,
    rank=4,
)
