"""Where settings come from: defaults < paperlab.toml < PAPERLAB_* in the environment < a command-line flag.

`paperlab.toml` is looked for in the current folder, then in PAPERLAB_HOME; PAPERLAB_CONFIG names another.
This is the only module that reads the environment or a settings file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from paperlab.entities import Profile
from paperlab.errors import InvalidInput, UnknownName

ARXIV_MINIMUM_INTERVAL_S = 3.0

LLM_PROFILE = Profile(
    name="llm",
    categories=("cs.CL", "cs.LG", "cs.AI", "stat.ML"),
    always=("cs.CL",),
    terms=(
        "language model*",
        "LLM",
        "LLMs",
        "transformer*",
        "self-attention",
        "attention head*",
        "pretrain*",
        "pre-train*",
        "fine-tun*",
        "instruction tun*",
        "in-context learning",
        "few-shot prompt*",
        "prompt*",
        "chain-of-thought",
        "RLHF",
        "reinforcement learning from human feedback",
        "preference optimization",
        "mixture of experts",
        "mixture-of-experts",
        "retrieval-augmented",
        "tokeniz*",
        "machine translation",
        "summarization",
        "question answering",
        "dialogue",
        "code generation",
        "scaling law*",
        "multimodal model*",
        "vision-language",
        "mechanistic interpretability",
        "hallucination*",
        "jailbreak*",
    ),
)


@dataclass(frozen=True)
class ArxivSettings:
    """Addresses and manners towards arXiv.  `interval_s` is what was set; ask `interval_for` what to keep."""

    api_url: str = "https://export.arxiv.org/api/query"
    rss_url: str = "https://rss.arxiv.org/rss"
    oai_url: str = "https://oaipmh.arxiv.org/oai"
    interval_s: float = ARXIV_MINIMUM_INTERVAL_S
    timeout_s: float = 60.0
    page_size: int = 1000
    """Entries asked for in one request; arXiv serves at most 2,000."""

    def interval_for(self, url: str) -> float:
        """Seconds to keep between requests to this address: what was set, and never under 3 for arXiv itself."""
        return max(self.interval_s, ARXIV_MINIMUM_INTERVAL_S) if is_arxiv_host(url) else self.interval_s


@dataclass(frozen=True)
class Settings:
    """All that can be set, resolved once at the entry point and handed down as an argument."""

    home: Path
    database_url: str
    arxiv: ArxivSettings = field(default_factory=ArxivSettings)
    profiles: Mapping[str, Profile] = field(default_factory=lambda: {"llm": LLM_PROFILE})
    config_file: Path | None = None
    data_mirror: str | None = None
    """A folder or URL that is looked at before any download."""
    hub_cache: Path | None = None
    """Where Hugging Face's own libraries keep what they downloaded."""

    @property
    def runs_dir(self) -> Path:
        return self.home / "runs"

    @property
    def log_file(self) -> Path:
        return self.home / "paperlab.log"

    def profile(self, name: str) -> Profile:
        if name not in self.profiles:
            raise UnknownName("profile", name, self.profiles, "[profiles.NAME] in paperlab.toml")
        return self.profiles[name]


def load(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Settings:
    """The settings of this process.  Raises InvalidInput naming the file or variable that can't be used."""
    env = os.environ if environ is None else environ
    home = _home(env.get("PAPERLAB_HOME") or str(platformdirs.user_data_path("paperlab", appauthor=False)))
    config_file = _find_config(env, cwd or Path.cwd(), home)
    config = _read_toml(config_file) if config_file else {}
    unknown = set(config) - {"database_url", "arxiv", "profiles"}
    if unknown:
        raise InvalidInput(
            f'{config_file} has the unknown setting "{sorted(unknown)[0]}"',
            "known at the top level: database_url, [arxiv], [profiles.NAME]",
        )
    database_url = env.get("PAPERLAB_DATABASE_URL") or config.get("database_url") or f"sqlite:///{home / 'paperlab.db'}"
    return Settings(
        home=home.absolute(),
        database_url=str(database_url),
        arxiv=_arxiv(config.get("arxiv", {}), env, config_file),
        profiles=_profiles(config.get("profiles", {}), config_file),
        config_file=config_file,
        data_mirror=env.get("PAPERLAB_DATA_MIRROR") or None,
        hub_cache=_hub_cache(env),
    )


def _home(text: str) -> Path:
    try:
        home = Path(text).expanduser()
    except RuntimeError as error:  # ~nobody
        raise InvalidInput(f"PAPERLAB_HOME is {text}: {error}", "name a folder") from error
    if "?" in text or "\0" in text:
        raise InvalidInput(f"PAPERLAB_HOME is {text!r}: a database address can't hold that", "name another folder")
    return home


def _hub_cache(env: Mapping[str, str]) -> Path | None:
    """As huggingface_hub finds it; None without a home."""
    if explicit := env.get("HF_HUB_CACHE"):
        return Path(explicit)
    if folder := env.get("HF_HOME"):
        return Path(folder) / "hub"
    user = env.get("XDG_CACHE_HOME") or (f"{env['HOME']}/.cache" if env.get("HOME") else "")
    return Path(user) / "huggingface" / "hub" if user else None


def _find_config(env: Mapping[str, str], cwd: Path, home: Path) -> Path | None:
    named = env.get("PAPERLAB_CONFIG")
    if named:
        if not Path(named).is_file():
            raise InvalidInput(f"PAPERLAB_CONFIG names {named}, which is not a file", "unset it or create the file")
        return Path(named)
    return next((path for path in (cwd / "paperlab.toml", home / "paperlab.toml") if path.is_file()), None)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{path} can't be read as TOML: {error}", "mend the file, or move it away") from error


def _arxiv(table: Any, env: Mapping[str, str], config_file: Path | None) -> ArxivSettings:
    defaults = ArxivSettings()
    if not isinstance(table, dict) or set(table) - set(vars(defaults)):
        raise InvalidInput(
            f"{config_file}: [arxiv] has settings that are not known", f"known: {', '.join(vars(defaults))}"
        )

    def pick(name: str, variable: str) -> str:
        return env.get(variable) or str(table.get(name, getattr(defaults, name)))

    api_url = pick("api_url", "PAPERLAB_ARXIV_API_URL")
    rss_url = pick("rss_url", "PAPERLAB_ARXIV_RSS_URL")
    oai_url = pick("oai_url", "PAPERLAB_ARXIV_OAI_URL")
    for url in (api_url, rss_url, oai_url):
        if not _is_web_address(url):
            raise InvalidInput(f'"{url}" is not an http(s) address', "see PAPERLAB_ARXIV_API_URL in `paperlab --help`")
    interval = _number(pick("interval_s", "PAPERLAB_ARXIV_INTERVAL"), "PAPERLAB_ARXIV_INTERVAL", minimum=0.0)
    return ArxivSettings(
        api_url=api_url,
        rss_url=rss_url,
        oai_url=oai_url,
        interval_s=interval,
        timeout_s=_number(pick("timeout_s", "PAPERLAB_ARXIV_TIMEOUT"), "PAPERLAB_ARXIV_TIMEOUT", minimum=0.1),
        page_size=int(_number(pick("page_size", "PAPERLAB_ARXIV_PAGE_SIZE"), "PAPERLAB_ARXIV_PAGE_SIZE", 1, 2000)),
    )


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an unclosed bracket, a port that is no number
        return False


def is_arxiv_host(url: str) -> bool:
    """Whether the address belongs to arXiv itself, whose terms ask for three seconds between requests."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    return host == "arxiv.org" or host.endswith(".arxiv.org")


def _number(text: str, name: str, minimum: float, maximum: float = 86_400.0) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not minimum <= number <= maximum:
        raise InvalidInput(f'{name} is "{text}"', f"a number from {minimum:g} to {maximum:g} is needed")
    return number


def _profiles(table: Any, config_file: Path | None) -> dict[str, Profile]:
    profiles = {"llm": LLM_PROFILE}
    if not isinstance(table, dict):
        raise InvalidInput(f"{config_file}: profiles must be tables", "write [profiles.NAME]")
    for name, entry in table.items():
        if not isinstance(entry, dict):
            raise InvalidInput(f"{config_file}: profiles.{name} must be a table", f"write [profiles.{name}]")
        lists: dict[str, tuple[str, ...]] = {}
        for key in ("categories", "always", "terms"):
            values = entry.get(key, [])
            if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
                raise InvalidInput(f"{config_file}: profiles.{name}.{key} must be a list of strings", "")
            lists[key] = tuple(values)
        unknown = set(entry) - set(lists)
        if unknown or not lists["categories"]:
            raise InvalidInput(
                f"{config_file}: profiles.{name} needs categories and knows categories, always and terms"
                + (f', not "{sorted(unknown)[0]}"' if unknown else ""),
                'example: categories = ["cs.CL"]',
            )
        profiles[name] = Profile(name, lists["categories"], lists["always"], lists["terms"])
    return profiles
