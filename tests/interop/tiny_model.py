"""Writes a tiny language model with random weights as a GGUF file: `python tiny_model.py PATH`. Needs gguf and numpy.

A Qwen2 of two layers over bytes: its answers make no sense, but the server that runs it is the real one.
"""

import sys

import gguf
import numpy as np

_EMBEDDING, _FORWARD, _LAYERS, _HEADS, _KV_HEADS, _CONTEXT = 64, 128, 2, 4, 2, 2048
_SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_MERGES = ["t h", "i n", "e r"]
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokens() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    chars = {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return [chars[byte] for byte in range(256)]


def write_model(path: str) -> None:
    """Write the model to this path."""
    tokens = [*_SPECIALS, *byte_tokens(), *(merge.replace(" ", "") for merge in _MERGES)]
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("tiny")
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_EMBEDDING)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    kinds = [gguf.TokenType.CONTROL] * len(_SPECIALS)
    writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * (len(tokens) - len(_SPECIALS)))
    writer.add_token_merges(_MERGES)
    writer.add_eos_token_id(2)
    writer.add_bos_token_id(0)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_TEMPLATE)
    for name, shape in _shapes(len(tokens)).items():
        writer.add_tensor(name, _weights(name, shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    key_value = _EMBEDDING * _KV_HEADS // _HEADS
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (vocabulary, _EMBEDDING),
        "output_norm.weight": (_EMBEDDING,),
        "output.weight": (vocabulary, _EMBEDDING),
    }
    for layer in range(_LAYERS):
        block = {
            "attn_norm.weight": (_EMBEDDING,),
            "ffn_norm.weight": (_EMBEDDING,),
            "attn_q.weight": (_EMBEDDING, _EMBEDDING),
            "attn_q.bias": (_EMBEDDING,),
            "attn_k.weight": (key_value, _EMBEDDING),
            "attn_k.bias": (key_value,),
            "attn_v.weight": (key_value, _EMBEDDING),
            "attn_v.bias": (key_value,),
            "attn_output.weight": (_EMBEDDING, _EMBEDDING),
            "ffn_gate.weight": (_FORWARD, _EMBEDDING),
            "ffn_up.weight": (_FORWARD, _EMBEDDING),
            "ffn_down.weight": (_EMBEDDING, _FORWARD),
        }
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    return shapes


_RANDOM = np.random.default_rng(7)


def _weights(name: str, shape: tuple[int, ...]) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    if "norm" in name:
        return np.ones(shape, dtype=np.float32)
    return _RANDOM.normal(0.0, 0.05, shape).astype(np.float32)


if __name__ == "__main__":
    write_model(sys.argv[1])
