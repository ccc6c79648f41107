"""Scenes by numbers: drawn pictures with captions in several languages, and all that is true of them."""

from pairmill_models.tiny.scenes.languages import LANGUAGES, WORDINGS, caption_of
from pairmill_models.tiny.scenes.painter import ScenePainter, draw_scene
from pairmill_models.tiny.scenes.palette import beauty
from pairmill_models.tiny.scenes.scene import SCENES, Scene, scene_of
from pairmill_models.tiny.scenes.toxicity import TOXIC_WORDS, with_toxic_words

__all__ = [
    "LANGUAGES",
    "SCENES",
    "TOXIC_WORDS",
    "WORDINGS",
    "Scene",
    "ScenePainter",
    "beauty",
    "caption_of",
    "draw_scene",
    "scene_of",
    "with_toxic_words",
]
