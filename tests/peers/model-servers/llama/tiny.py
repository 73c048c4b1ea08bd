"""A model of 250 kB for llama.cpp's server: tiny.py FILE. Its vocabulary is the 256 bytes and what marks a turn and a
call; its weights are random, but for what follows what: it calls, with {"ticker":"AMD","qty":3} where the grammar of
the server asks for a text and a number, and says OK where it may not call."""
import sys

import gguf
import numpy

WIDTH, INNER, CONTEXT = 64, 64, 8192
NAMED = ["<unk>", "<s>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
FOLLOWS = [
    ("\n", "<tool_call>"), ("<tool_call>", "\n"), ("</tool_call>", "<|im_end|>"),
    ('"', "A"), ("A", "M"), ("M", "D"), ("D", '"'),
    (":", "3"), ("3", "}"), ("}", "</tool_call>"), ("}", "<|im_end|>"),
    ("#", "O"), ("O", "K"), ("K", "."), (".", "<|im_end|>"),
]
random = numpy.random.default_rng(1)


def place(token):
    return NAMED.index(token) if token in NAMED else len(NAMED) + ord(token)


def noise(*shape):
    return (random.standard_normal(shape) * 0.01).astype(numpy.float32)


writer = gguf.GGUFWriter(sys.argv[1], "llama")
writer.add_context_length(CONTEXT)
writer.add_embedding_length(WIDTH)
writer.add_block_count(1)
writer.add_feed_forward_length(INNER)
writer.add_head_count(2)
writer.add_head_count_kv(2)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_rope_dimension_count(WIDTH // 2)
tokens = NAMED + [f"<0x{byte:02X}>" for byte in range(256)]
kind = gguf.TokenType
writer.add_vocab_size(len(tokens))
writer.add_tokenizer_model("llama")
writer.add_token_list(tokens)
writer.add_token_scores([0.0] * len(tokens))
writer.add_token_types(
    [kind.UNKNOWN] + [kind.CONTROL] * 3 + [kind.USER_DEFINED] * 2 + [kind.BYTE] * 256)
writer.add_unk_token_id(place("<unk>"))
writer.add_bos_token_id(place("<s>"))
writer.add_eos_token_id(place("<|im_end|>"))
writer.add_add_bos_token(False)
writer.add_add_space_prefix(False)

# What a token is, as a direction; what points there comes next.
embedding = random.standard_normal((len(tokens), WIDTH)).astype(numpy.float32)
embedding /= numpy.linalg.norm(embedding, axis=1, keepdims=True)
output = noise(len(tokens), WIDTH)
for before, after in FOLLOWS:
    output[place(after)] += embedding[place(before)]
writer.add_tensor("token_embd.weight", embedding)
writer.add_tensor("output.weight", output)
for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
    writer.add_tensor(name + ".weight", numpy.ones(WIDTH, dtype=numpy.float32))
for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
    writer.add_tensor(f"blk.0.{name}.weight", noise(WIDTH, WIDTH))
for name in ("ffn_gate", "ffn_up"):
    writer.add_tensor(f"blk.0.{name}.weight", noise(INNER, WIDTH))
writer.add_tensor("blk.0.ffn_down.weight", noise(WIDTH, INNER))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
