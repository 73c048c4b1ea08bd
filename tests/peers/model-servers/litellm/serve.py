"""litellm's proxy on a free port: serve.py CONFIG prints its address once it listens."""
import os
import socket
import sys

import uvicorn

os.environ["CONFIG_FILE_PATH"] = sys.argv[1]
listener = socket.socket()
listener.bind(("127.0.0.1", 0))


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print("http://%s:%d" % listener.getsockname(), flush=True)


Server(uvicorn.Config("litellm.proxy.proxy_server:app", log_level="warning")).run([listener])
