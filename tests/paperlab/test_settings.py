from __future__ import annotations

import re

import pytest

from paperlab import settings
from paperlab.errors import InvalidInput, UnknownName


def load(tmp_path, toml: str | None = None, **environ: str) -> settings.Settings:
    if toml is not None:
        (tmp_path / "paperlab.toml").write_text(toml, encoding="utf-8")
    return settings.load({"PAPERLAB_HOME": str(tmp_path / "home"), **environ}, cwd=tmp_path)


def test_without_any_setting_the_llm_profile_and_arxivs_own_addresses_are_used(tmp_path):
    loaded = load(tmp_path)
    assert loaded.profile("llm").categories
    assert "arxiv.org" in loaded.arxiv.api_url
    assert loaded.database_url == f"sqlite:///{tmp_path / 'home' / 'paperlab.db'}"


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path):
    toml = '[arxiv]\napi_url = "http://127.0.0.1:1/file"\npage_size = 50\n'
    assert load(tmp_path, toml).arxiv.api_url == "http://127.0.0.1:1/file"
    loaded = load(tmp_path, toml, PAPERLAB_ARXIV_API_URL="http://127.0.0.1:2/env")
    assert loaded.arxiv.api_url == "http://127.0.0.1:2/env"
    assert loaded.arxiv.page_size == 50


@pytest.mark.parametrize("host", ["arxiv.org", "export.arxiv.org", "EXPORT.ARXIV.ORG", "arxiv.org."])
def test_arxiv_itself_is_never_asked_faster_than_every_three_seconds(tmp_path, host):
    arxiv = load(tmp_path, PAPERLAB_ARXIV_INTERVAL="0.1").arxiv
    assert arxiv.interval_for(f"https://{host}/api/query") == 3.0
    assert load(tmp_path, PAPERLAB_ARXIV_INTERVAL="10").arxiv.interval_for(f"https://{host}/") == 10.0


def test_a_server_of_ones_own_may_be_asked_faster(tmp_path):
    own = {"PAPERLAB_ARXIV_API_URL": "http://127.0.0.1:9/api/query", "PAPERLAB_ARXIV_INTERVAL": "0"}
    arxiv = load(tmp_path, **own).arxiv
    assert arxiv.interval_for(arxiv.api_url) == 0.0


def test_a_host_that_only_looks_like_arxiv_is_not_arxiv():
    assert not settings.is_arxiv_host("https://notarxiv.org/api")
    assert not settings.is_arxiv_host("https://arxiv.org.example.com/api")


def test_a_profile_of_ones_own_stands_beside_the_default(tmp_path):
    loaded = load(tmp_path, '[profiles.agents]\ncategories = ["cs.MA"]\nterms = ["tool use"]\n')
    assert set(loaded.profiles) == {"llm", "agents"}
    assert loaded.profile("agents").terms == ("tool use",)


def test_an_unknown_profile_names_the_near_ones(tmp_path):
    with pytest.raises(UnknownName, match='no profile is called "lm"') as caught:
        load(tmp_path).profile("lm")
    assert "llm" in caught.value.hint


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("profiles = [", "paperlab.toml"),
        ("colour = 1", "colour"),
        ("[arxiv]\npage_sise = 3", "arxiv"),
        ("[profiles.x]\nterms = ['a']", "profiles.x"),
        ("[profiles.x]\ncategories = 'cs.CL'", "profiles.x.categories"),
        ("profiles = 3", "profiles"),
        ("[arxiv]\ninterval_s = 'soon'", "soon"),
        ("[arxiv]\npage_size = 5000", "5000"),
        ("[arxiv]\napi_url = 'arxiv.org'", "arxiv.org"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path, toml, named):
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, toml)
    assert named in str(caught.value)


def test_a_settings_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / "paperlab.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="paperlab.toml can't be read"):
        load(tmp_path)


def test_a_named_file_that_is_missing_is_an_error_and_not_silence(tmp_path):
    with pytest.raises(InvalidInput, match="PAPERLAB_CONFIG"):
        load(tmp_path, PAPERLAB_CONFIG=str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAPERLAB_HOME", "~nobody-of-that-name/papers"),
        ("PAPERLAB_HOME", "/tmp/what?"),
        ("PAPERLAB_ARXIV_INTERVAL", "inf"),
        ("PAPERLAB_ARXIV_TIMEOUT", "1e9"),
        ("PAPERLAB_ARXIV_API_URL", "http://[x"),
        ("PAPERLAB_ARXIV_RSS_URL", "http://127.0.0.1:port/rss"),
        ("PAPERLAB_ARXIV_OAI_URL", "ftp://arxiv.org/oai"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_the_reason(name, value, tmp_path):
    environ = {"PAPERLAB_HOME": str(tmp_path), name: value}
    with pytest.raises(InvalidInput, match=re.escape(value)):
        settings.load(environ, cwd=tmp_path)
