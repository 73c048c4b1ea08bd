"""llama.cpp's server, as xllamacpp has it: key=KEY serve.py MODEL TEMPLATE prints its address once it listens."""
import os
import signal
import sys

import xllamacpp

settings = xllamacpp.CommonParams()
settings.model.path = sys.argv[1]
with open(sys.argv[2], encoding="utf-8") as template:
    settings.chat_template = template.read()
settings.port = 0
settings.n_ctx = 4096
settings.n_parallel = 1
settings.sampling.temp = 0
settings.cpuparams.n_threads = 1
settings.cpuparams_batch.n_threads = 1
settings.api_keys = [os.environ["key"]]
server = xllamacpp.Server(settings)
print(server.listening_address, flush=True)
signal.pause()
