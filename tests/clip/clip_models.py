"""CLIP and SigLIP models with weights of chance, saved as folders: the architecture and the files of the real ones.

What they say of a picture means nothing, but it is exactly one thing, so it can be compared with the library's own.
"""

import json
from pathlib import Path

import torch
import transformers

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
TOKENS_MAX = 77
SIDE = 64


def _byte_letters() -> list[str]:
    """Give the letters by which byte-level BPE writes the 256 bytes."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return list(bytes_to_unicode().values())


def tokenizer() -> transformers.CLIPTokenizer:
    letters = _byte_letters()
    words = [*letters, *(letter + "</w>" for letter in letters), "re", "red</w>", BOS, EOS]
    vocabulary = {word: number for number, word in enumerate(words)}
    return transformers.CLIPTokenizer(
        vocabulary, [("r", "e"), ("re", "d</w>")], unk_token=EOS, bos_token=BOS, eos_token=EOS, pad_token=EOS,
        model_max_length=TOKENS_MAX,
    )  # fmt: skip


def plain_clip(folder: Path, seed: int = 1, dimension: int = 48) -> Path:
    """Save a CLIP model as the hub has ``openai/clip-vit-base-patch32``: no word of sentence-transformers in it."""
    words = tokenizer()
    config = transformers.CLIPConfig(
        text_config={
            "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": TOKENS_MAX, "eos_token_id": words.eos_token_id,
            "bos_token_id": words.bos_token_id, "pad_token_id": words.pad_token_id,
        },
        vision_config={
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": SIDE, "patch_size": 16,
        },
        projection_dim=dimension,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = transformers.CLIPModel(config)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.mul_(8)  # as they are made, every text is nearly the same text
    size = {"height": SIDE, "width": SIDE}
    pictures = transformers.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=size)
    transformers.CLIPProcessor(pictures, words).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def clip(folder: Path, seed: int = 1) -> Path:
    """Save a CLIP model as the hub has ``sentence-transformers/clip-ViT-B-32``: its module in a folder of its own."""
    plain_clip(folder / "0_CLIPModel", seed)
    module = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
    (folder / "modules.json").write_text(json.dumps([module]))
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"__version__": {}}))
    return folder


def siglip(folder: Path) -> Path:
    """Save a SigLIP model with the scale and bias of the real ones, 117 and -12.9."""
    words = tokenizer()
    config = transformers.SiglipConfig(
        text_config={
            "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": TOKENS_MAX, "projection_size": 32,
            "eos_token_id": words.eos_token_id, "bos_token_id": words.bos_token_id, "pad_token_id": words.pad_token_id,
        },
        vision_config={
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": SIDE, "patch_size": 16,
        },
    )  # fmt: skip
    torch.manual_seed(3)
    model = transformers.SiglipModel(config)
    with torch.no_grad():
        model.logit_scale.fill_(4.762)
        model.logit_bias.fill_(-12.9)
    size = {"height": SIDE, "width": SIDE}
    pictures = transformers.SiglipImageProcessor(size=size)
    transformers.SiglipProcessor(pictures, words).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def words_only(folder: Path) -> Path:
    """Save a model that reads words and sees nothing."""
    words = tokenizer()
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
    )
    transformers.BertModel(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
