"""A trained BERT is opened as it was saved, and fills in what transformers' own pipeline fills in."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, pipeline

from reproductions.bert import hf, opening
from reproductions.bert.model import BERT
from reproductions.bert.sizes import Model
from reproductions.engine import trained
from reproductions.registry import InvalidInput
from reproductions.tokenizers import wordpiece
from reproductions.tokenizers.text_tokenizer import END_OF_TEXT
from tests.reproductions.trained_runs import train

CPU = torch.device("cpu")
TINY = Model(num_layers=2, d_model=32, num_heads=4, context=40)
LINES = ["It was a cold evening, and nobody's dog barked.", "The café was closed; she went home!"]
ASKED = [
    "It was a [MASK] evening, and nobody's dog [MASK].",
    "[MASK]",
    "The café was [MASK]; she went home! It was a cold evening.",
    *[f"a cold evening {'and ' * number}[MASK] home" for number in range(20)],
]


@pytest.fixture(scope="module")
def tokenizer():
    return wordpiece.train(lambda: LINES * 3, 120)


def made(tokenizer):
    torch.manual_seed(0)
    bert = BERT(TINY, tokenizer.size).eval()
    for parameter in bert.parameters():  # sharp in what depends on the text
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.5)
        else:
            parameter.data += 0.1 * torch.randn_like(parameter)
    return bert


def by_transformers(folder, texts, n_best):
    """(piece, probability) for each mask of each text."""
    ask = pipeline("fill-mask", model=str(folder), tokenizer=str(folder), top_k=n_best)
    found = []
    for text in texts:
        masks = ask(text)
        masks = masks if isinstance(masks[0], list) else [masks]
        found.append(
            [[(ask.tokenizer.convert_ids_to_tokens(one["token"]), one["score"]) for one in best] for best in masks]
        )
    return found


def test_what_is_filled_in_is_what_transformers_fills_in_in_batches_too(tokenizer, tmp_path):
    hf.save(made(tokenizer), tmp_path, tokenizer)
    filler = opening.open_folder(tmp_path, device=CPU)
    found = filler.fill(ASKED, n_best=3)
    expected = by_transformers(tmp_path, ASKED, 3)
    for ours, theirs in zip(found, expected, strict=True):
        assert [[guess.piece for guess in best] for best in ours.masks] == [
            [piece for piece, _ in best] for best in theirs
        ]
        for best, other in zip(ours.masks, theirs, strict=True):
            assert [guess.probability for guess in best] == pytest.approx([share for _, share in other], abs=1e-5)
    words = [best[0].piece.replace(wordpiece.SEPARATOR, END_OF_TEXT) for best in found[0].masks]
    filled = LINES[0].lower().replace("cold", words[0]).replace("barked", words[1])
    assert found[0].text.replace(" ", "").replace("##", "") == filled.replace(" ", "").replace("##", "")
    assert len({one.masks[0][0].piece for one in found}) > 1


def test_a_bert_without_the_head_for_the_next_sentence_is_opened_too(tokenizer, tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    theirs = BertForMaskedLM(BertConfig(vocab_size=tokenizer.size, max_position_embeddings=40, **sizes)).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    theirs.save_pretrained(tmp_path)
    tokenizer.save(tmp_path / "vocab.txt")
    filler = opening.open_folder(tmp_path, device=CPU)
    tokens = torch.randint(0, tokenizer.size, (2, 30))
    with torch.no_grad():
        words = filler.model.words(filler.model.hidden(tokens, torch.zeros_like(tokens)))
        torch.testing.assert_close(words, theirs(tokens).logits, atol=1e-4, rtol=0)
    assert bool((filler.model.next_sentence.weight == 0).all())
    with pytest.raises(InvalidInput, match="with both its heads"):
        hf.load(tmp_path)


def test_tokenizers_of_both_kinds_are_read_and_those_that_keep_capitals_refused(tokenizer, tmp_path):
    hf.save(made(tokenizer), tmp_path, tokenizer)
    AutoTokenizer.from_pretrained(tmp_path).save_pretrained(tmp_path)  # with tokenizer.json
    (tmp_path / "vocab.txt").unlink(missing_ok=True)
    assert opening.open_folder(tmp_path, device=CPU).tokenizer.sha256 == tokenizer.sha256
    serialised = json.loads((tmp_path / "tokenizer.json").read_text())
    serialised["normalizer"]["lowercase"] = False
    (tmp_path / "tokenizer.json").write_text(json.dumps(serialised))
    with pytest.raises(InvalidInput, match="keeps capital letters"):
        opening.open_folder(tmp_path, device=CPU)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.txt").write_text("\n".join([*wordpiece.SPECIAL, "The", "the"]) + "\n")
    with pytest.raises(InvalidInput, match="keeps capital letters"):
        opening.open_folder(tmp_path, device=CPU)
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(InvalidInput, match="has no tokenizer"):
        opening.open_folder(tmp_path, device=CPU)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"tokenizer in .* can't be read"):
        opening.open_folder(tmp_path, device=CPU)


def test_a_text_without_a_mask_or_without_room_is_named(tokenizer, tmp_path):
    hf.save(made(tokenizer), tmp_path, tokenizer)
    filler = opening.open_folder(tmp_path, device=CPU)
    with pytest.raises(InvalidInput, match=r"text 2 has no \[MASK\]"):
        filler.fill(["a [MASK]", "a cold"])
    with pytest.raises(InvalidInput, match=r"text 1 has 61 pieces and the model reads 38"):
        filler.fill(["the " * 60 + "[MASK]"])


def test_a_run_is_opened_with_its_own_tokenizer_and_saved_for_transformers(tmp_path):
    run = train("bert-base", tmp_path)
    filler = opening.open_run(trained.read(run), tmp_path / "nothing", mirror=None, log=lambda _: None, device=CPU)
    filler.save(tmp_path / "saved")
    theirs, names = (
        AutoModelForMaskedLM.from_pretrained(tmp_path / "saved").eval(),
        AutoTokenizer.from_pretrained(tmp_path / "saved"),
    )
    ids = names("import [MASK]", return_tensors="pt")
    with torch.no_grad():
        at_mask = theirs(**ids).logits[ids["input_ids"] == names.mask_token_id].softmax(dim=-1)
    (found,) = filler.fill(["import [MASK]"], n_best=4)
    best = at_mask[0].topk(4)
    assert [guess.piece for guess in found.masks[0]] == names.convert_ids_to_tokens(best.indices.tolist())
    assert [guess.probability for guess in found.masks[0]] == pytest.approx(best.values.tolist(), abs=1e-6)
