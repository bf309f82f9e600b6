"""Classifiers against transformers' own, with the same weights: the same logits, in padded batches too."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
)

from reproductions.bert import hf as bert_hf
from reproductions.bert.model import BERT
from reproductions.bert.sizes import Model as BERTModel
from reproductions.data.classification import Example
from reproductions.finetuning.inputs import NEW_TOKENS, Layout, Split
from reproductions.finetuning.model import BERTClassifier, GPTClassifier, adapt, grow_embedding, merge
from reproductions.gpt import hf as gpt_hf
from reproductions.gpt.model import GPT
from reproductions.gpt.sizes import Model as GPTModel
from reproductions.tokenizers import wordpiece
from reproductions.tokenizers.byte import ByteTokenizer

LABELS = 3
TEXTS = [Example("the cat", "a dog barks", 0), Example("x", "yz", 1), Example("one more pair", "and its other half", 2)]


def drawn(module):
    """Biases and gains too: zeros and ones would prove nothing."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module.eval()


def inputs(style, tokenizer):
    layout = Layout(style, "entailment", tokenizer, 40)
    found = Split(layout, TEXTS, [0, 1, 2], torch.long).batch([0, 1, 2]).inputs
    assert not found.real.all()
    return found


@torch.no_grad()
def test_a_gpt_gives_the_logits_of_gpt2_for_sequence_classification():
    tokenizer = ByteTokenizer()
    gpt = GPT(GPTModel(num_layers=2, d_model=32, num_heads=4, context=40), tokenizer.size)
    grow_embedding(gpt, NEW_TOKENS, std=0.02)
    ours = drawn(GPTClassifier(gpt, LABELS, dropout=0.1, auxiliary=0.5))
    rows = inputs("gpt-1", tokenizer)
    padding = tokenizer.end_of_text  # no row has it, so transformers takes the last token there is: extract
    config = gpt_hf.config_of(gpt.model, tokenizer.size + NEW_TOKENS, padding)
    config |= {"num_labels": LABELS, "pad_token_id": padding, "architectures": None}
    theirs = GPT2ForSequenceClassification(GPT2Config(**config)).eval()
    weights = {**gpt_hf.to_state_dict(gpt), "score.weight": ours.output.weight}
    missing = theirs.load_state_dict(weights, strict=False).missing_keys
    assert missing == []
    for number, length in enumerate((rows.last + 1).tolist()):  # one by one: ours pads with the extract token
        alone = theirs(input_ids=rows.tokens[number : number + 1, :length]).logits
        torch.testing.assert_close(ours(rows).outputs[number : number + 1], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("is_merged", [False, True], ids=["plain", "LoRA, merged"])
def test_a_bert_gives_the_logits_of_bert_for_sequence_classification(is_merged):
    pieces = [*wordpiece.SPECIAL, *"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
    tokenizer = wordpiece.from_ids({piece: number for number, piece in enumerate(pieces)})
    bert = BERT(BERTModel(num_layers=2, d_model=32, num_heads=4, context=40), tokenizer.size)
    ours = drawn(BERTClassifier(bert, LABELS, dropout=0.1))
    rows = inputs("bert", tokenizer)
    adapted = None
    if is_merged:
        adapt(ours.encoder, rank=2, alpha=4.0)
        drawn(ours)
        adapted = ours(rows).outputs
        merge(ours.encoder)
    config = bert_hf.config_of(bert.model, tokenizer.size, tokenizer.pad) | {"architectures": None}
    theirs = BertForSequenceClassification(BertConfig(**config, num_labels=LABELS)).eval()
    weights = {name: weight for name, weight in bert_hf.to_state_dict(bert).items() if name.startswith("bert.")}
    weights |= {"classifier.weight": ours.output.weight, "classifier.bias": torch.zeros(LABELS)}
    assert theirs.load_state_dict(weights, strict=False).missing_keys == []
    with torch.no_grad():
        logits = theirs(input_ids=rows.tokens, token_type_ids=rows.segments, attention_mask=rows.real.long()).logits
        torch.testing.assert_close(ours(rows).outputs, logits, atol=1e-4, rtol=0)
    if adapted is not None:
        torch.testing.assert_close(adapted, logits, atol=1e-4, rtol=0)
