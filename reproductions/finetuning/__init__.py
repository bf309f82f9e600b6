"""Fine-tuning of a generatively pre-trained Transformer (GPT-1, 2018), of BERT (1810.04805), by LoRA (2106.09685)."""

from reproductions.registry import Reproduction, Source

GPT_1 = "https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf"
BERT = "1810.04805"
LORA = "2106.09685"

_SETS = {
    "sst-2": "the sentiment of sentences (SST-2)",
    "cola": "whether sentences are acceptable (CoLA)",
    "mrpc": "whether two sentences say the same (MRPC)",
    "rte": "whether a text entails another (RTE)",
    "sts-b": "how similar two sentences are (STS-B)",
    "movies": "the sentiment of film reviews",
}

REPRODUCTION = Reproduction(
    name="finetuning",
    title="Fine-tuning: GPT-1, BERT, LoRA",
    sources=(
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
            id=BERT,
            title="BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
            authors=("Jacob Devlin", "Ming-Wei Chang", "Kenton Lee", "Kristina Toutanova"),
            submitted="2018-10-11",
            updated="2019-05-24",
            categories=("cs.CL",),
            summary="An encoder that fills in words from both sides and tells what follows learns what tasks need.",
        ),
        Source(
            kind="arxiv",
            id=LORA,
            title="LoRA: Low-Rank Adaptation of Large Language Models",
            authors=("Edward J. Hu", "Yelong Shen", "Phillip Wallis", "Zeyuan Allen-Zhu", "Yuanzhi Li"),
            submitted="2021-06-17",
            updated="2021-10-16",
            categories=("cs.CL", "cs.AI", "cs.LG"),
            summary="A frozen model is adapted by products of two thin matrices, added to its own in the end.",
        ),
    ),
    recipes={
        **{f"gpt-1-{name}": f"a GPT, fine-tuned as GPT-1 was: {about}" for name, about in _SETS.items()},
        **{f"bert-{name}": f"a BERT, fine-tuned: {about}" for name, about in _SETS.items()},
        "lora-sst-2": f"a GPT whose W_q and W_v are adapted with rank 4: {_SETS['sst-2']}",
        "lora-cola": f"a GPT whose W_q and W_v are adapted with rank 4: {_SETS['cola']}",
    },
)
