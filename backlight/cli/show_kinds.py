"""The kinds of `backlight show`: each makes a figure, and the numbers that belong to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from backlight.errors import UsageError

if TYPE_CHECKING:
    from backlight.cli.show import Asked, Seen

Drawn = tuple[Any, dict[str, Any]]

PROBED = 800
SWEPT = 5000
PLOTTED = 600
CONVOLUTIONS_SHOWN = 6


def weights(seen: Seen) -> Drawn:
    """First-layer weights; the class templates of a linear classifier."""
    from backlight.explain.look.templates import draw, templates

    found = templates(seen.classifier)
    figure = draw(seen.classifier, found, **seen.asked.drawing)
    return figure, {
        "parameter": found.name,
        "shape": list(found.weights.shape),
        "templates": found.of_classes,
    }


def layers(seen: Seen) -> Drawn:
    """The hierarchy: what excites six units of each layer."""
    from backlight.explain.look.exciting import draw_layers, exciting

    seen.classifier.need_pictures("layers")
    pictures, _ = seen.examples("train", SWEPT)
    wanted = _hierarchy(seen)
    found = [exciting(seen.classifier, pictures, path) for path in wanted]
    figure = draw_layers(seen.classifier, pictures, found, **seen.asked.drawing)
    facts = {
        one[0].layer: {
            "receptive_field": str(one[0].field),
            "units": {str(unit.unit): unit.places.tolist() for unit in one},
        }
        for one in found
    }
    return figure, {"examples": len(pictures), "layers": facts}


def unit(seen: Seen) -> Drawn:
    """The top pictures of one unit, and what it sees of them."""
    from backlight.explain.look.exciting import draw_unit, exciting

    asked = seen.asked
    seen.classifier.need_pictures("unit")
    pictures, labels = seen.examples("train", SWEPT)
    path = asked.layer or _hierarchy(seen)[-2:][0]
    chosen = None if asked.unit is None else [asked.unit]
    found = exciting(seen.classifier, pictures, path, chosen)[0]
    figure = draw_unit(seen.classifier, pictures, found, labels=labels, **asked.drawing)
    return figure, {
        "layer": path,
        "unit": found.unit,
        "receptive_field": str(found.field),
        "active": found.active,
        "examples": found.places.tolist(),
        "activations": [float(one) for one in found.values],
        "boxes": found.boxes,
    }


def features(seen: Seen) -> Drawn:
    """Feature maps of one picture through the network, dead ones outlined."""
    from backlight.explain.look.features import draw, zero_maps
    from backlight.explain.look.features import features as compute

    picture, _ = seen.picture()
    found = compute(seen.classifier, picture)
    figure = draw(seen.classifier, picture, found, **seen.asked.drawing)
    dead, total = zero_maps(found)
    return figure, {
        "maps": total,
        "zero_everywhere": dead,
        "layers": {one.path: [int(one.dead.sum()), len(one.dead)] for one in found},
    }


def saliency(seen: Seen) -> Drawn:
    """Saliency in five ways, or by --method."""
    from backlight.explain.look.saliency import METHODS, draw
    from backlight.explain.look.saliency import saliency as compute

    asked = seen.asked
    picture, label = seen.picture()
    four_axes = any(p.ndim == 4 for p in seen.classifier.module.parameters())
    every = METHODS if four_axes else METHODS[:-1]
    found = [
        compute(
            seen.classifier,
            picture,
            asked.target,
            method=method,
            answer=asked.answer or "score",
            seed=asked.seed,
            layer=asked.layer if method == "grad-cam" else None,
        )
        for method in ([asked.method] if asked.method else every)
    ]
    figure = draw(seen.classifier, picture, found, label=label, **asked.drawing)
    facts: dict[str, Any] = {
        "class": str(seen.classifier.classes[found[0].target]),
        found[0].answer: found[0].value,
    }
    for one in found:
        if one.method == "integrated":
            facts |= {
                "integrated_sum": one.total,
                "difference": one.difference,
                "completeness_error": one.completeness_error,
            }
    return figure, facts


def occlusion(seen: Seen) -> Drawn:
    """How much the answer falls when a patch is covered."""
    from backlight.explain.look.occlusion import draw
    from backlight.explain.look.occlusion import occlusion as compute

    asked = seen.asked
    picture, _ = seen.picture()
    answer = asked.answer or "probability"
    found = compute(seen.classifier, picture, asked.target, patch=asked.patch, answer=answer)
    figure = draw(seen.classifier, picture, found, **asked.drawing)
    return figure, {
        "class": str(seen.classifier.classes[found.target]),
        answer: found.value,
        "lowest": float(found.answers.min()),
        "patch": found.patch,
        "stride": found.stride,
    }


def class_image(seen: Seen) -> Drawn:
    """Pictures that the network would give its highest scores."""
    from backlight.explain.look.class_image import class_images, draw

    asked = seen.asked
    wanted = None if asked.target is None else [asked.target]
    found = class_images(seen.classifier, wanted, steps=asked.steps or 200, seed=asked.seed)
    figure = draw(seen.classifier, found, **asked.drawing)
    names = seen.classifier.classes
    return figure, {
        "scores": {str(names[one.target]): float(one.scores[-1]) for one in found},
        "probabilities": {str(names[one.target]): one.probability for one in found},
    }


def dream(seen: Seen) -> Drawn:
    """DeepDream on a photograph."""
    from backlight.cli.show import from_file
    from backlight.explain.look.dream import draw
    from backlight.explain.look.dream import dream as compute

    asked = seen.asked
    seen.classifier.need_pictures("dream")
    if asked.image is None:
        raise UsageError(
            "show dream",
            got="no photograph",
            needs="--image FILE, of any size",
            remedy="Write: backlight show dream RUN --image cat.png",
        )
    photograph = from_file(asked.image, (seen.classifier.shape[0],), fit=False)
    found = compute(
        seen.classifier,
        photograph,
        asked.layer,
        octaves=asked.octaves,
        steps=asked.steps or 20,
        seed=asked.seed,
    )
    figure = draw(seen.classifier, photograph, found, **asked.drawing)
    return figure, {
        "layer": found.layer,
        "mean_square_before": found.before,
        "mean_square_after": found.after,
        "times": found.after / max(found.before, 1e-30),
        "octaves": found.octaves,
    }


def adversary(seen: Seen) -> Drawn:
    """A change too small to see that changes the verdict."""
    from backlight.explain.look.adversary import adversary as compute
    from backlight.explain.look.adversary import draw

    asked = seen.asked
    picture, label = seen.picture()
    method = asked.method or ("target" if asked.target else "fast" if asked.epsilon else "minimal")
    found = compute(
        seen.classifier, picture, method=method, epsilon=asked.epsilon, target=asked.target
    )
    figure = draw(seen.classifier, found, **asked.drawing)
    names = [str(one) for one in seen.classifier.classes]
    return figure, {
        "method": method,
        **({} if label is None else {"in_truth": names[label]}),
        "before": names[found.before],
        "after": names[found.after],
        "flipped": found.flipped,
        "probability_before": float(found.probabilities_before[found.before]),
        "probability_after": float(found.probabilities_after[found.after]),
        "largest_change": found.largest,
        "length": found.length,
        "relative_length": found.relative,
        "gradients": found.steps,
    }


def boundary(seen: Seen) -> Drawn:
    """The decision boundary of a network of points in the plane."""
    from backlight.explain.look.boundary import boundary as compute
    from backlight.explain.look.boundary import draw

    points, labels = seen.examples("train", SWEPT)
    found = compute(seen.classifier, points)
    figure = draw(seen.classifier, found, points, labels, **seen.asked.drawing)
    right = seen.classifier.scores(points).argmax(axis=1) == labels
    return figure, {"points": len(points), "right": float(right.mean())}


def embedding(seen: Seen) -> Drawn:
    """Examples in the plane by PCA or t-SNE."""
    from backlight.explain.look.embedding import draw
    from backlight.explain.look.embedding import embedding as compute

    asked = seen.asked
    pictures, labels = seen.examples(asked.split, PLOTTED)
    found = compute(
        seen.classifier,
        pictures,
        method=asked.method or "pca",
        layer=asked.layer,
        perplexity=min(30.0, max(1.0, len(pictures) / 4)),
        seed=asked.seed,
    )
    figure = draw(seen.classifier, pictures, labels, found, **asked.drawing)
    return figure, {
        "method": found.method,
        "layer": found.layer,
        "examples": len(pictures),
        "explained": found.explained.tolist(),
    }


def probes(seen: Seen) -> Drawn:
    """What a linear classifier could read from each layer."""
    from backlight.explain.depth_probe import depth_probe
    from backlight.explain.look.probes import COMPONENTS, draw, stages

    subject = seen.classifier
    learnt, labels = seen.examples("train", PROBED)
    held, kept = seen.examples("validation", PROBED)
    inputs, others = subject.inputs(learnt), subject.inputs(held)
    found = depth_probe(subject.module, inputs, labels, others, kept, stages(subject), COMPONENTS)
    figure = draw(subject, found, len(held), **seen.asked.drawing)
    return figure, {"accuracy": {one.layer: one.accuracy for one in found}}


def taxonomy(seen: Seen) -> Drawn:
    """From group to class, with the confidence at each step."""
    from backlight.explain.look.taxonomy import draw
    from backlight.explain.look.taxonomy import taxonomy as compute

    pictures, labels = seen.examples("validation", SWEPT)
    found = compute(seen.classifier, pictures, labels)
    figure = draw(seen.classifier, pictures, labels, found, **seen.asked.drawing)
    return figure, {
        "group_accuracy": found.group_accuracy,
        "class_accuracy": found.class_accuracy,
        "flat_accuracy": found.flat_accuracy,
    }


def family(seen: Seen) -> Drawn:
    """The tree of the classes, by what is taken for what, and a picture's way down it."""
    from backlight.explain.look.family import draw
    from backlight.explain.look.family import family as compute

    pictures, labels = seen.examples("validation", SWEPT)
    found = compute(seen.classifier, pictures, labels)
    picture, _ = seen.picture()
    figure = draw(seen.classifier, picture, found, **seen.asked.drawing)
    way = found.way(seen.classifier.probabilities(picture[None])[0])
    return figure, {
        "chain": " → ".join(f"{found.name(node)} {share:.1%}" for node, share in way),
        "steps": [
            {"classes": [found.classes[k] for k in found.nodes[node]], "probability": share}
            for node, share in way
        ],
    }


def activations(asked: Asked) -> Drawn:
    """The gallery of activations; --method names some of them, with commas between."""
    from backlight.explain.look.gallery import draw, gallery

    names = None if asked.method is None else [one.strip() for one in asked.method.split(",")]
    found = gallery(names, seed=asked.seed)
    return draw(found, **asked.drawing), {
        "last_activation": {one.name: float(one.activations["He"][-1]) for one in found},
        "first_gradient": {one.name: float(one.gradients["He"][0]) for one in found},
    }


def collapse(asked: Asked) -> Drawn:
    """Three layers without a nonlinearity, and the one matrix that they are."""
    import numpy as np

    from backlight import nn, philox
    from backlight.explain.collapse import collapse as compute
    from backlight.explain.look.collapse import draw

    sizes = (6, 8, 7, 5)
    layers = [nn.Linear(*pair).double() for pair in itertools.pairwise(sizes)]
    for place, layer in enumerate(layers):
        shape = layer.weight.shape
        drawn = philox.normal(asked.seed, place, shape).astype(float) / np.sqrt(shape[1])
        layer.load_state_dict({"weight": drawn, "bias": np.zeros(shape[0])})
    found = compute(nn.Sequential(*layers), sizes[0])
    return draw(found, **asked.drawing), {"largest_difference": found.error}


WITHOUT_RUN = ("activations", "collapse")
KINDS: dict[str, Callable[[Any], Drawn]] = {
    "weights": weights,
    "layers": layers,
    "unit": unit,
    "features": features,
    "saliency": saliency,
    "occlusion": occlusion,
    "class-image": class_image,
    "dream": dream,
    "adversary": adversary,
    "boundary": boundary,
    "embedding": embedding,
    "probes": probes,
    "taxonomy": taxonomy,
    "family": family,
    "activations": activations,
    "collapse": collapse,
}


def _hierarchy(seen: Seen) -> list[str]:
    """The layers of the hierarchy: what follows each convolution's ReLU, and the last layer."""
    subject = seen.classifier
    paths = list(subject.layers())
    kinds = [type(subject.layer(path)).__name__ for path in paths]
    if seen.asked.layer is not None:
        subject.layer(seen.asked.layer)
        return [seen.asked.layer]
    found = []
    for place, kind in enumerate(kinds):
        if kind.startswith("Conv") or (kind == "Linear" and place == len(kinds) - 1):
            behind = kinds[place + 1] if place + 1 < len(kinds) else ""
            found.append(paths[place + 1] if behind.endswith("LU") else paths[place])
    return found[:CONVOLUTIONS_SHOWN] or paths[-1:]
