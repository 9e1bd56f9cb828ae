"""Pictures of what was learned: what a network looks at, what it looks for, what fools it."""

from backlight.explain.look.adversary import Adversary, adversary
from backlight.explain.look.boundary import Boundary, boundary
from backlight.explain.look.class_image import ClassImage, class_images
from backlight.explain.look.classifier import Classifier, classifier
from backlight.explain.look.dream import Dream, dream
from backlight.explain.look.embedding import Embedding, embedding, principal_components
from backlight.explain.look.exciting import Exciting, exciting
from backlight.explain.look.features import LayerMaps, features
from backlight.explain.look.gallery import Exhibit, gallery
from backlight.explain.look.occlusion import Occlusion, occlusion
from backlight.explain.look.saliency import Saliency, saliency
from backlight.explain.look.taxonomy import Taxonomy, taxonomy
from backlight.explain.look.templates import Templates, templates

__all__ = [
    "Adversary",
    "Boundary",
    "ClassImage",
    "Classifier",
    "Dream",
    "Embedding",
    "Exciting",
    "Exhibit",
    "LayerMaps",
    "Occlusion",
    "Saliency",
    "Taxonomy",
    "Templates",
    "adversary",
    "boundary",
    "class_images",
    "classifier",
    "dream",
    "embedding",
    "exciting",
    "features",
    "gallery",
    "occlusion",
    "principal_components",
    "saliency",
    "taxonomy",
    "templates",
]
