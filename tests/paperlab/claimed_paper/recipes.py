from dataclasses import replace

from tests.reproductions.tiny_paper import recipes as tiny

RECIPES = {
    ("claimed-next", tier): replace(recipe, name="claimed-next", reproduction="claimed")
    for (_, tier), recipe in tiny.RECIPES.items()
}
