"""What Keycloak calls, over TLS: channel.py FOLDER

POST /request   the authentication channel: the question goes to channel/USER/NUMBER, a JSON object with the
                Authorization header and the body. channel/USER/says has another answer than 201: a status, or "nothing"
POST /notify    ciba-notify, as a CGI program, with the spool FOLDER/spool
POST /stocks    an API that wants a token of the realm `tests` for https://api.example/; the orders go to orders/USER
GET /jwks       the file jwks: the keys of an issuer whose tokens are client assertions

The certificate is server.pem, the key server.key. The port goes to the file channel.port.
"""

import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    lock = threading.Lock()

    def do_GET(self):
        if self.path != "/jwks":
            self.send_error(404)
            return
        with open("jwks", "rb") as keys:
            self.answer(200, keys.read())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/notify":
            self.notify(body)
        elif self.path == "/stocks":
            self.buy(body)
        elif self.path == "/request":
            self.ask(json.loads(body))
        else:
            self.send_error(404)

    def ask(self, body):
        folder = os.path.join("channel", re.fullmatch("[a-z0-9-]+", body["login_hint"]).group())
        says = "201"
        with self.lock:
            os.makedirs(folder, exist_ok=True)
            if os.path.exists(folder + "/says"):
                with open(folder + "/says") as file:
                    says = file.read().strip()
            number = 1
            while os.path.exists(f"{folder}/{number}"):
                number += 1
            with open(folder + "/new", "w") as file:
                json.dump({"authorization": self.headers["Authorization"],
                           "content_type": self.headers["Content-Type"], "body": body}, file)
            os.rename(folder + "/new", f"{folder}/{number}")
        if says == "nothing":
            self.close_connection = True
            self.connection.shutdown(2)
        else:
            self.answer(int(says))

    def notify(self, body):
        environment = {
            "PATH": os.environ["PATH"], "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": self.headers["Content-Type"], "CONTENT_LENGTH": str(len(body)),
            "HTTP_AUTHORIZATION": self.headers["Authorization"], "CIBA_NOTIFICATION_DIR": os.path.abspath("spool")}
        done = subprocess.run(["ciba-notify"], input=body, env=environment, stdout=subprocess.PIPE, check=False)
        with open("notified", "ab") as file:
            file.write(done.stdout + b"\n")
        status = re.match(rb"Status: (\d+)", done.stdout)
        self.answer(int(status.group(1)) if status else 500)

    def buy(self, body):
        with open("keycloak.port") as port:
            issuer = f"https://localhost:{port.read().strip()}/realms/tests"
        token = self.headers["Authorization"].removeprefix("Bearer ").encode()
        checked = subprocess.run(["jwt-verify", "--issuer", issuer, "-a", "https://api.example/", "--tls-ca-file", "ca.pem"],
                                 input=token, stdout=subprocess.PIPE, check=False)
        if checked.returncode != 0:
            self.answer(401, b'{"error":"invalid_token"}')
            return
        os.makedirs("orders", exist_ok=True)
        with open("orders/" + json.loads(checked.stdout)["preferred_username"], "ab") as orders:
            orders.write(body + b"\n")
        self.answer(201, b'{"order":' + body + b"}")

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    def finish_request(self, request, client_address):
        with tls.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)


os.chdir(sys.argv[1])
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain("server.pem", "server.key")
server = Server(("127.0.0.1", 0), Handler)
with open("channel.port.new", "w") as port:
    print(server.server_port, file=port)
os.rename("channel.port.new", "channel.port")
server.serve_forever()
