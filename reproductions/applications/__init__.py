"""One recipe for each application of a language model: summaries, answers, replies, code."""

from reproductions.registry import Reproduction, Source

SCITLDR = "2004.15011"
GSM8K = "2110.14168"
RELEASED_GSM8K = "https://github.com/openai/grade-school-math"
ROUGE = "https://aclanthology.org/W04-1013"
GPT_2 = "https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf"

REPRODUCTION = Reproduction(
    name="applications",
    title="Applications: summaries, answers, replies, code",
    sources=(
        Source(
            kind="arxiv",
            id=SCITLDR,
            title="TLDR: Extreme Summarization of Scientific Documents",
            authors=("Isabel Cachola", "Kyle Lo", "Arman Cohan", "Daniel S. Weld"),
            submitted="2020-04-30",
            updated="2020-10-08",
            categories=("cs.CL",),
            summary="Papers are summarised in one sentence; titles, as a second target, help to learn it.",
        ),
        Source(
            kind="arxiv",
            id=GSM8K,
            title="Training Verifiers to Solve Math Word Problems",
            authors=("Karl Cobbe", "Vineet Kosaraju", "Mohammad Bavarian", "Mark Chen", "Heewoo Jun"),
            submitted="2021-10-27",
            updated="2021-11-18",
            categories=("cs.LG", "cs.CL"),
            summary="Large models get grade-school sums wrong; picking among many solutions helps as size does.",
        ),
        Source(
            kind="url",
            id=RELEASED_GSM8K,
            title="Grade School Math",
            authors=("OpenAI",),
            summary="The problems of GSM8K, a calculator, and solutions that four of the paper's models wrote.",
        ),
        Source(
            kind="url",
            id=ROUGE,
            title="ROUGE: A Package for Automatic Evaluation of Summaries",
            authors=("Chin-Yew Lin",),
            submitted="2004-07-01",
            summary="Summaries are scored by the words, pairs of words and subsequences they share with a reference.",
        ),
    ),
    recipes={
        "summarization": "abstracts in one sentence (SciTLDR): ROUGE-1, -2, -L and -Lsum; docstrings (smoke)",
        "question-answering": "grade-school sums in words (GSM8K): the exact answer, with a calculator",
        "dialogue": "replies to quoted turns of novels: perplexity with and without the turn; an interpreter's (smoke)",
        "code-generation": "bodies of the library's functions: bits per byte, and the share that parses",
    },
    asked_by="generate",
)
