"""Generative pre-training: GPT-1 (2018), GPT-2 (2019), GPT-3's small models (2005.14165), nanoGPT's Shakespeare."""

from reproductions.registry import Reproduction, Source

GPT_1 = "https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf"
GPT_2 = "https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf"
GPT_3 = "2005.14165"
NANOGPT = "https://github.com/karpathy/nanoGPT"
RELEASED_GPT_2 = "https://github.com/openai/gpt-2"

REPRODUCTION = Reproduction(
    name="gpt",
    title="Generative pre-training: GPT-1, GPT-2, GPT-3 small",
    sources=(
        Source(
            kind="url",
            id=GPT_2,
            title="Language Models are Unsupervised Multitask Learners",
            authors=(
                "Alec Radford",
                "Jeffrey Wu",
                "Rewon Child",
                "David Luan",
                "Dario Amodei",
                "Ilya Sutskever",
            ),
            submitted="2019-02-14",
            summary="Trained on web pages alone, a language model does tasks nobody taught it, better when larger.",
        ),
        Source(
            kind="url",
            id=GPT_1,
            title="Improving Language Understanding by Generative Pre-Training",
            authors=("Alec Radford", "Karthik Narasimhan", "Tim Salimans", "Ilya Sutskever"),
            submitted="2018-06-11",
            summary="A Transformer decoder learns to predict the next token of books, and is then fine-tuned on tasks.",
        ),
        Source(
            kind="arxiv",
            id=GPT_3,
            title="Language Models are Few-Shot Learners",
            authors=("Tom B. Brown", "Benjamin Mann", "Nick Ryder", "Melanie Subbiah", "Jared Kaplan"),
            submitted="2020-05-28",
            updated="2020-07-22",
            categories=("cs.CL",),
            summary="Eight language models up to 175 billion parameters do tasks from a few examples in the prompt.",
        ),
        Source(
            kind="url",
            id=RELEASED_GPT_2,
            title="Code and models of GPT-2",
            authors=("OpenAI",),
            summary="The program that writes with GPT-2, and the names under which its four models were released.",
        ),
        Source(
            kind="url",
            id=NANOGPT,
            title="nanoGPT",
            authors=("Andrej Karpathy",),
            summary="A short program that trains GPT-2, and small models on the characters of Shakespeare.",
        ),
    ),
    recipes={
        "gpt-1": "GPT-1 on English novels (mini); on Python's help topics (smoke), so that it writes prose",
        "gpt-2": "GPT-2 124M on OpenWebText; on novels (mini); on Python's library (smoke), so that it writes code",
        "gpt-2-medium": "GPT-2 355M on OpenWebText",
        "gpt-2-large": "GPT-2 774M on OpenWebText",
        "gpt-2-xl": "GPT-2 1558M on OpenWebText",
        "gpt-3-small": "GPT-3 125M, dense and banded layers in turn, on OpenWebText; on novels (mini), on code (smoke)",
        "nanogpt-char": "nanoGPT's two tiny Shakespeare settings: 6 layers on a GPU (full), 4 on a laptop (mini)",
        "gpt-char": "our own better recipe for the laptop setting of tiny Shakespeare (mini)",
    },
    asked_by="generate",
    hugging_face=("gpt2",),
)
