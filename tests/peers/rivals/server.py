"""A model server that follows a script: server.py FOLDER. It writes its address to FOLDER/address, and each request to
FOLDER/requests. The address of a script is /WHO/SCRIPT/v1, and what it counts it counts for each of these."""
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER = sys.argv[1]
GOOD = '{"ticker":"GOOGL","qty":3}'
CALLS = {  # the script: the calls of its first answer
    "tool": [GOOD],
    "two": [GOOD, '{"ticker":"AAPL","qty":1}'],
    "two-on-one-index": [GOOD, '{"ticker":"AAPL","qty":1}'],
    "no-json": ['{"ticker":"GOOGL","qty":'],
    "wrong-type": ['{"ticker":"GOOGL","qty":"three"}'],
    "reasoning": [GOOD],
}
counts = {}
lock = threading.Lock()


def calls_of(who, script, body, first):
    """What the model calls now: after a wrong call it makes the right one, once."""
    offered = [tool["function"]["name"] for tool in body.get("tools") or []]
    name = next((one for one in offered if one.endswith("buy")), None)
    told = body["messages"][-1]["role"] == "tool"
    arguments = CALLS.get(script.removesuffix("-whole"), []) if first and not told else []
    if script in ("no-json", "wrong-type") and told and not first and counts[(who, script, "repaired")] == 0:
        counts[(who, script, "repaired")] = 1
        arguments = [GOOD]
    if name is None:
        return []
    return [{"id": f"call_{script}_{place}_{len(body['messages'])}", "type": "function", "function": {"name": name, "arguments": one}}
            for place, one in enumerate(arguments)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(200, {"object": "list", "data": []})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, who, script, *_ = self.path.split("/")
        with lock:
            first = counts.setdefault((who, script), 0) == 0
            counts[(who, script)] += 1
            counts.setdefault((who, script, "repaired"), 0)
            with open(os.path.join(FOLDER, "requests"), "a", encoding="utf-8") as log:
                log.write(json.dumps({"at": time.time(), "who": who, "script": script, "body": body}) + "\n")
            calls = calls_of(who, script, body, first)
        if script == "429" and first:
            self.answer(429, {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}, {"Retry-After": "2"})
        elif script == "500" and first:
            self.answer(500, {"error": {"message": "The server had an error", "type": "server_error"}})
        elif body.get("stream"):
            self.stream(script, calls)
        else:
            self.whole(script, calls)

    def answer(self, status, value, headers=None):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for name, what in (headers or {}).items():
            self.send_header(name, what)
        self.end_headers()
        self.wfile.write(text)

    def whole(self, script, calls):
        message = {"role": "assistant", "content": None if calls else "Grüße 漢字, all done."}
        if calls:
            message["tool_calls"] = calls
        if calls and script.startswith("reasoning"):
            message["reasoning_content"] = "THOUGHT"
        self.answer(200, {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}})

    def stream(self, script, calls):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.chunked = script == "cut-chunked"
        if self.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        deltas = [{"role": "assistant", "content": "" if not calls else None}]
        if calls and script.startswith("reasoning"):
            deltas.append({"reasoning_content": "THOUGHT"})
        for place, call in enumerate(calls):
            index = 0 if script == "two-on-one-index" else place
            function = {"name": call["function"]["name"], "arguments": ""}
            deltas.append({"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": function}]})
            text = call["function"]["arguments"]
            deltas += [{"tool_calls": [{"index": index, "function": {"arguments": text[at:at + 9]}}]} for at in range(0, len(text), 9)]
        if not calls:
            deltas += [{"content": piece} for piece in ("Grüße ", "漢字, ", "all ", "done.")]
        if script.startswith("cut"):
            deltas = deltas[:3]
        for delta in deltas:
            self.event(delta, None)
        if not script.startswith("cut"):
            self.event({}, "tool_calls" if calls else "stop")
            self.wfile.write(b"data: [DONE]\n\n")

    def event(self, delta, finish):
        value = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                 "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for part in (b"data: ", json.dumps(value, ensure_ascii=False).encode(), b"\n\n"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if self.chunked else part)
            self.wfile.flush()


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(os.path.join(FOLDER, "address.new"), "w", encoding="utf-8") as file:
    file.write(f"http://127.0.0.1:{server.server_port}")
os.rename(file.name, os.path.join(FOLDER, "address"))
server.serve_forever()
