"""What can be run, by which name, and which code it stands on."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from reproductions import registry

from .tiny_paper.running import PACKAGE, ROOT


@pytest.fixture
def with_tiny(monkeypatch):
    monkeypatch.setenv("PAPERLAB_REPRODUCTIONS", PACKAGE)


@pytest.fixture
def tiny_copy(tmp_path, monkeypatch):
    """A copy of the tiny paper's folder that a test may edit."""
    package = f"tiny_copy_{tmp_path.name}".replace("-", "_")
    shutil.copytree(ROOT / "tests" / "reproductions" / "tiny_paper", tmp_path / package)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PAPERLAB_REPRODUCTIONS", package)
    yield tmp_path / package
    for module in [name for name in sys.modules if name.startswith(package)]:
        del sys.modules[module]


def reloaded(folder, module):
    """Numbers are values, so a changed file counts once it is imported anew."""
    sys.modules.pop(f"{folder.name}.{module}", None)
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)


def test_a_reproduction_is_found_by_its_name_and_by_its_recipes(with_tiny):
    assert registry.get("tiny") is not None
    assert registry.get("tiny-next") == registry.get("tiny")
    assert "tiny" in registry.names()
    assert "tiny-next" in registry.recipe_names()


def test_the_list_needs_no_torch():
    program = (
        "import sys\n"
        "from reproductions import registry\n"
        "for name in registry.recipe_names():\n"
        "    for tier in registry.tiers(name):\n"
        "        registry.recipe(name, tier)\n"
        "    registry.fingerprint(name)\n"
        "sys.exit(bool({'torch', 'numpy', 'tokenizers', 'sacrebleu'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_an_unknown_name_says_what_is_near_and_exits_3(with_tiny):
    with pytest.raises(registry.UnknownName) as raised:
        registry.get("tiny-nxt")
    assert str(raised.value).startswith('no reproduction is called "tiny-nxt".\n  did you mean: tiny-next')
    assert raised.value.exit_code == 3


def test_a_paper_is_not_a_recipe(with_tiny):
    with pytest.raises(registry.UnknownName, match="its recipes: tiny-next"):
        registry.recipe("tiny", "smoke")


def test_tiers_come_largest_first_and_an_unknown_one_names_them(with_tiny):
    assert registry.tiers("tiny-next") == ("full", "smoke")
    with pytest.raises(registry.UnknownName, match="it has: full, smoke"):
        registry.recipe("tiny-next", "mini")


def test_every_recipe_is_registered_under_its_own_name_and_tier():
    for name in registry.recipe_names():
        for tier in registry.tiers(name):
            recipe = registry.recipe(name, tier)
            assert (recipe.name, recipe.tier, recipe.reproduction) == (name, tier, registry.get(name).name)


def test_a_package_that_cannot_be_imported_is_named(monkeypatch):
    monkeypatch.setenv("PAPERLAB_REPRODUCTIONS", "no_such_paper")
    with pytest.raises(registry.UnknownName, match='no package is called "no_such_paper"'):
        registry.all()


def test_an_import_error_inside_a_folder_is_not_hidden(tiny_copy):
    (tiny_copy / "__init__.py").write_text("import surely_not_installed\n")
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed"):
        registry.all()


def test_the_structural_claims_are_measured_without_training(with_tiny):
    (measured,) = registry.structure("tiny-next")
    assert (measured["metric"], measured["value"]) == ("parameters", 13 * 8 + 13 + 8 * 8 + 8)


def test_claims_are_read_as_they_stand_and_bad_toml_names_the_file(tiny_copy):
    (tiny_copy / "claims.toml").write_text('[[claim]]\nid = "tiny:1"\nvalue = 0.5\n')
    assert registry.claims("tiny") == [{"id": "tiny:1", "value": 0.5}]
    (tiny_copy / "claims.toml").write_text("[[claim]\n")
    with pytest.raises(registry.InvalidInput, match=r"claims\.toml is not valid TOML"):
        registry.claims("tiny")


def test_prose_leaves_the_fingerprint_alone_and_code_changes_it(tiny_copy):
    before = registry.fingerprint("tiny-next")
    task = tiny_copy / "task.py"
    code = task.read_text()
    assert '"""Shuffled epochs' in code
    task.write_text(code.replace('"""Shuffled epochs', '"""# Other words\n\n    ') + "\n\n# a remark\n")
    assert registry.fingerprint("tiny-next") == before
    task.write_text(code.replace("nn.Dropout(model.dropout)", "nn.Dropout(0)  # off"))
    assert registry.fingerprint("tiny-next") != before


def test_the_fingerprint_follows_imports_and_nothing_else(tiny_copy):
    (tiny_copy / "loss.py").write_text("SCALE = 1\n")
    before = registry.fingerprint("tiny-next")
    (tiny_copy / "loss.py").write_text("SCALE = 2\n")
    assert registry.fingerprint("tiny-next") == before
    task = tiny_copy / "task.py"
    task.write_text(task.read_text().replace("from .recipes import", "from . import loss\nfrom .recipes import"))
    with_import = registry.fingerprint("tiny-next")
    assert with_import != before
    (tiny_copy / "loss.py").write_text("SCALE = 3\n")
    assert registry.fingerprint("tiny-next") != with_import


def test_a_number_of_one_recipe_changes_the_fingerprint_of_no_other(tiny_copy):
    recipes = tiny_copy / "recipes.py"
    code = registry.fingerprint("tiny-next")
    before = {tier: registry.fingerprint("tiny-next", tier) for tier in ("full", "smoke")}
    assert len({code, *before.values()}) == 3
    recipes.write_text(recipes.read_text().replace('_recipe("smoke", 6)', '_recipe("smoke", 7)'))
    reloaded(tiny_copy, "recipes")
    assert registry.fingerprint("tiny-next") == code
    assert registry.fingerprint("tiny-next", "full") == before["full"]
    assert registry.fingerprint("tiny-next", "smoke") != before["smoke"]
    assert registry.fingerprint("tiny-next", "full", code=code) == before["full"]


def test_where_a_number_comes_from_and_what_it_needs_leave_the_fingerprint_alone(tiny_copy):
    recipes = tiny_copy / "recipes.py"
    before = registry.fingerprint("tiny-next", "smoke")
    text = recipes.read_text()
    for old, new in (
        ("ours: it learns", "ours: well"),
        ("memory_gb=0.1", "memory_gb=9"),
        ('{"accuracy": 0.5}', "None"),
    ):
        assert old in text
        text = text.replace(old, new)
    recipes.write_text(text)
    reloaded(tiny_copy, "recipes")
    assert registry.fingerprint("tiny-next", "smoke") == before


@pytest.mark.parametrize(
    "line",
    ["SCALE = 2", "SCALE = _HALF * 4", "SCALE = 1\nfor _ in range(3):\n    SCALE += _", "SCALE = [1]\nSCALE.append(2)"],
)
def test_what_other_modules_import_from_the_recipes_is_code(tiny_copy, line):
    recipes, task = tiny_copy / "recipes.py", tiny_copy / "task.py"
    task.write_text(task.read_text().replace("from .recipes import", "from .recipes import SCALE,"))
    own = recipes.read_text()
    recipes.write_text(own + "\nSCALE = 1\n_HALF = 0.5\nUNUSED = 1\n")
    before = registry.fingerprint("tiny-next")
    recipes.write_text(own + "\nSCALE = 1\n_HALF = 0.5\nUNUSED = 2\n")
    assert registry.fingerprint("tiny-next") == before
    recipes.write_text(own + f"\n_HALF = 0.5\n{line}\nUNUSED = 1\n")
    assert registry.fingerprint("tiny-next") != before


def test_recipes_imported_as_a_module_are_code_as_a_whole(tiny_copy):
    recipes, task = tiny_copy / "recipes.py", tiny_copy / "task.py"
    task.write_text("from . import recipes\n" + task.read_text())
    before = registry.fingerprint("tiny-next")
    recipes.write_text(recipes.read_text() + "\nUNUSED = 2\n")
    assert registry.fingerprint("tiny-next") != before


def test_a_number_sign_in_a_string_is_not_a_comment(tiny_copy):
    (tiny_copy / "task.py").write_text((tiny_copy / "task.py").read_text() + '\nMARK = "#1"\n')
    before = registry.fingerprint("tiny-next")
    (tiny_copy / "task.py").write_text((tiny_copy / "task.py").read_text().replace('"#1"', '"#2"'))
    assert registry.fingerprint("tiny-next") != before
