"""What all classifiers that follow a gradient share: batches, steps, curves, scikit-learn's habits.

A classifier is three exchangeable parts: a score function (a module), a loss on the scores, and an
update rule. A subclass says which module; the rest is chosen by arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

import backlight
from backlight import nn, optim
from backlight.data import DataLoader, Examples, stratified_indices
from backlight.engine.random import default
from backlight.errors import ArgumentError, DataError, NonFiniteError, nearest
from backlight.estimators.labels import coded

Array = np.ndarray[Any, Any]

LOSSES: dict[str, Callable[[float], Any]] = {
    "cross_entropy": lambda _: nn.CrossEntropyLoss(),
    "hinge": lambda margin: nn.MultiClassHingeLoss(margin=margin),
    "one_vs_rest_hinge": lambda margin: nn.OneVsRestHingeLoss(margin=margin),
}
"""Losses on scores by name: softmax, Weston and Watkins, one class against all others."""

PROBABILISTIC = ("cross_entropy",)
SCHEDULES = ("cosine", "constant")
_ROWS = 1024
"""Examples that are looked at in one go."""
_FEW = 1 << 18
"""Up to so many numbers are looked at in float64, whose rounding is not seen in float32: then an
answer does not depend on the rows around it."""
_LARGEST = 1e30
_WORTH_COMPILING = 1 << 28
"""Numbers read in all epochs from which compiling pays."""


def _has_probabilities(estimator: Any) -> bool:
    if estimator.loss in PROBABILISTIC:
        return True
    raise AttributeError(
        f"predict_proba is for loss='cross_entropy': the scores of loss={estimator.loss!r} are "
        "distances from a boundary, not probabilities. Use decision_function, or scikit-learn's "
        "CalibratedClassifierCV."
    )


@contextmanager
def _seeded(seed: int, epoch: int = 0) -> Iterator[None]:
    """Draw from a seed and an epoch within this block, and leave the shared generator as it was."""
    before = default.state_dict()
    default.load_state_dict({**before, "seed": seed, "count": epoch << 32})
    try:
        yield
    finally:
        default.load_state_dict(before)


class GradientClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Base of classifiers trained by mini-batches; not used by itself."""

    loss: str
    margin: float
    optimizer: str
    learning_rate: Any
    schedule: str
    momentum: float
    alpha: float
    l1_ratio: float
    batch_size: int
    epochs: int
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    standardize: bool
    random_state: Any
    verbose: bool

    # ── what a subclass says ───────────────────────────────────────────────────────────────

    def _module(self, features: int, classes: int) -> Any:
        """The score function, newly drawn."""
        raise NotImplementedError

    # ── scikit-learn's methods ─────────────────────────────────────────────────────────────

    def fit(self, X: Any, y: Any) -> Any:
        """Train from the start on X (count, features) with labels y (count,)."""
        X, codes = self._begin(X, y, None)
        count = len(X)
        kept = np.arange(count)
        held: Array | None = None
        if self.early_stopping:
            kept, held = self._hold_out(codes, count)
        self.validation_scores_: list[float] = []
        best, best_state, waited = -math.inf, None, 0
        training = (
            self._examples(X, codes) if held is None else self._examples(X[kept], codes[kept])
        )
        for epoch in range(self.epochs):
            if self.schedule == "cosine":
                share = 0.5 + 0.5 * math.cos(math.pi * epoch / self.epochs)
            else:
                share = 1.0
            self._epoch(*training, share)
            if held is None:
                continue
            score = float(np.mean(np.argmax(self._scores(X[held]), axis=1) == codes[held]))
            self.validation_scores_.append(score)
            if score > best:
                best, waited = score, 0
                best_state = {
                    name: value.detach().numpy().copy()
                    for name, value in self.module_.state_dict().items()
                }
            else:
                waited += 1
                if waited >= self.n_iter_no_change:
                    break
        if best_state is not None:
            self.module_.load_state_dict(best_state)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Any:
        """One epoch more on these examples; `classes` names all labels at the first call."""
        if not hasattr(self, "module_"):
            X, codes = self._begin(X, y, np.unique(y if classes is None else classes))
        else:
            X, y = validate_data(self, X, y, reset=False, dtype=[np.float32, np.float64, np.uint8])
            codes = coded(type(self).__name__, y, self.classes_)
        self._epoch(*self._examples(X, codes))
        return self

    def decision_function(self, X: Any) -> Array:
        """The scores, (count, classes); with two classes their difference, (count,)."""
        scores = self._scores(self._seen(X))
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> Array:
        """The class with the highest score."""
        scores = self._scores(self._seen(X))
        return np.asarray(self.classes_[np.argmax(scores, axis=1)])

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Softmax of the scores, (count, classes)."""
        scores = self._scores(self._seen(X)).astype(np.float64)
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    # ── inside ─────────────────────────────────────────────────────────────────────────────

    def _begin(self, X: Any, y: Any, classes: Any) -> tuple[Array, Array]:
        self._check_settings()
        X, y = validate_data(self, X, y, reset=True, dtype=[np.float32, np.float64, np.uint8])
        check_classification_targets(y)
        self.classes_ = np.unique(y) if classes is None else classes
        if len(self.classes_) < 2:
            raise DataError(
                type(self).__name__,
                got="only one class in y",  # scikit-learn's checks look for "class"
                needs="at least two: it cannot learn to tell one apart from nothing",
                remedy="Fit it on examples of several classes.",
            )
        codes = coded(type(self).__name__, y, self.classes_)
        seed = self._seed()
        self._mean, self._scale = self._moments(X)
        with _seeded(seed):
            self.module_ = self._module(X.shape[1], len(self.classes_))
        self.loss_curve_: list[float] = []
        self.n_iter_ = 0
        self._loader_seed = seed
        self._steps: Any = None
        self._update: Any = None
        self._first_rate = self._rate(X)
        return X, codes

    def _rate(self, X: Array) -> float:
        """The learning rate to begin with.

        The slope of a softmax loss of W·x changes along x with ½|x|² at most, so that momentum's
        descent is stable below 7/mean |x|²; "auto" is 3/mean |x|², of the steeper hinges half.
        """
        if self.learning_rate != "auto":
            return float(self.learning_rate)
        some = self._scaled(X[:2000])
        steep = 1 if self.loss in PROBABILISTIC else 2
        return 3 / (steep * (1 + float(np.mean(np.sum(some * some, axis=1)))))

    def _seed(self) -> int:
        if self.random_state is None:
            return int(np.random.default_rng().integers(2**32))
        if isinstance(self.random_state, np.random.RandomState):
            return int(self.random_state.randint(2**31))
        return int(self.random_state)

    def _moments(self, X: Array) -> tuple[Array, Any]:
        """Each feature's mean, and one spread for all: pixels keep their relative sizes."""
        most = max(float(X.max()), -float(X.min()))
        if most > _LARGEST:
            raise DataError(
                type(self).__name__,
                got=f"features as large as {most:.3g}",
                needs=f"numbers up to {_LARGEST:.3g}, as float32 has them",
                remedy="Divide the features by their spread first, as StandardScaler does.",
            )
        if not self.standardize:
            return np.zeros(X.shape[1]), np.float32(1)
        parts = [X[first : first + _ROWS] for first in range(0, len(X), _ROWS)]
        mean = sum(part.sum(axis=0, dtype=np.float64) for part in parts) / len(X)
        squares = sum(float(np.sum((part - mean) ** 2)) for part in parts)
        spread = math.sqrt(squares / X.size)
        smallest = float(np.finfo(np.float32).tiny)
        return np.asarray(mean), np.float32(1 / spread if spread > smallest else 1.0)

    def _hold_out(self, codes: Array, count: int) -> tuple[Array, Array]:
        size = max(1, round(self.validation_fraction * count))
        held, kept = stratified_indices(codes, [size], seed=self._loader_seed)
        return kept, held

    def _prepared(self, examples: int) -> Callable[[Any, Any, Any], Any]:
        """The training step, made once."""
        rule = {"momentum": self.momentum} if self.optimizer == "sgd" else {}
        update = optim.from_name(
            self.optimizer, self.module_.parameters(), lr=self._first_rate, **rule
        )
        self._update = update
        loss_of, module = LOSSES[self.loss](self.margin), self.module_
        weights = [one for one in module.parameters() if one.ndim > 1]
        scale = float(self._scale)
        l2, l1 = self.alpha * (1 - self.l1_ratio), self.alpha * self.l1_ratio

        def step(inputs: Any, labels: Any, mean: Any) -> Any:
            update.zero_grad()
            total = data_loss = loss_of(module((inputs.float() - mean) * scale), labels)
            for weight in weights:
                if l2:
                    total = total + 0.5 * l2 * (weight * weight).sum()
                if l1:
                    total = total + l1 * weight.abs().sum()
            total.backward()
            update.step()
            update.zero_grad()
            return data_loss.detach()

        work = examples * self.epochs * sum(one.size for one in weights)
        return backlight.compile(step) if work > _WORTH_COMPILING else step

    def _examples(self, X: Array, codes: Array) -> tuple[Examples, Array]:
        """What an epoch walks through, and what is still to be subtracted from it."""
        mean = self._mean.astype(np.float32)
        if X.dtype == np.float64:  # a large mean would leave float32 no digits
            X, mean = (X - self._mean).astype(np.float32), np.zeros_like(mean)
        return Examples(X, codes), mean

    def _epoch(self, examples: Examples, mean: Array, share: float = 1.0) -> None:
        """One epoch, with this share of the first learning rate."""
        if self._steps is None:
            self._steps = self._prepared(len(examples))
        for group in self._update.param_groups:
            group["lr"] = share * self._first_rate
        loader = DataLoader(
            examples, batch_size=min(self.batch_size, len(examples)), seed=self._loader_seed
        )
        loader.set_epoch(self.n_iter_)
        total = 0.0
        self.module_.train()
        with _seeded(self._loader_seed, self.n_iter_ + 1):
            for inputs, labels in loader:
                total += self._step(inputs, labels, mean) * len(labels)
        self.n_iter_ += 1
        self.loss_curve_.append(total / len(examples))
        if self.verbose:
            print(f"epoch {self.n_iter_}: loss {self.loss_curve_[-1]:.4f}")  # noqa: T201 - asked for

    def _step(self, *given: Array) -> float:
        try:
            loss = self._steps(*map(backlight.as_tensor, given))
        except NonFiniteError as problem:
            raise problem.within(
                f"{type(self).__name__} with learning_rate={self.learning_rate}"
            ) from problem
        return float(loss.item())

    def _seen(self, X: Any) -> Array:
        check_is_fitted(self)
        return np.asarray(
            validate_data(self, X, reset=False, dtype=[np.float32, np.float64, np.uint8])
        )

    def _scores(self, X: Array) -> Array:
        """The scores of all rows, in batches that bound memory."""
        self.module_.eval()
        found = []
        with backlight.no_grad():
            for first in range(0, len(X), _ROWS):
                scaled = self._scaled(X[first : first + _ROWS])
                if X.size <= _FEW:
                    scaled = scaled.astype(np.float64)
                scores = self.module_(backlight.as_tensor(scaled)).numpy()
                found.append(np.asarray(scores, np.float32))
        return np.concatenate(found)

    def _scaled(self, rows: Array) -> Array:
        """What the module sees of some rows."""
        kind = np.float64 if rows.dtype == np.float64 else np.float32
        centred = rows.astype(kind, copy=False) - self._mean.astype(kind)
        return np.ascontiguousarray(centred.astype(np.float32, copy=False) * self._scale)

    def _check_settings(self) -> None:
        who = type(self).__name__
        if self.loss not in LOSSES:
            raise ArgumentError(
                who,
                got=f"loss={self.loss!r}",
                needs=f"one of {', '.join(LOSSES)}",
                remedy=nearest(str(self.loss), LOSSES),
            )
        for name, least in (("epochs", 1), ("batch_size", 1), ("n_iter_no_change", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise ArgumentError(
                    who,
                    got=f"{name}={value!r}",
                    needs=f"a whole number ≥ {least}",
                    remedy=f"Pass {name}=10, for example.",
                )
        if self.schedule not in SCHEDULES:
            raise ArgumentError(
                who,
                got=f"schedule={self.schedule!r}",
                needs=f"one of {', '.join(SCHEDULES)}",
                remedy=nearest(str(self.schedule), SCHEDULES),
            )
        for name, low, high in (
            ("learning_rate", 0.0, math.inf),
            ("alpha", 0.0, math.inf),
            ("l1_ratio", 0.0, 1.0),
            ("validation_fraction", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if name == "learning_rate" and isinstance(value, str) and value == "auto":
                continue
            if not isinstance(value, int | float | np.number) or not low <= value <= high:
                raise ArgumentError(
                    who,
                    got=f"{name}={value!r}",
                    needs=f"a number from {low:g} to {high:g}",
                    remedy="Pass a number in this range.",
                )

    def __getstate__(self) -> dict[str, Any]:
        """All but the compiled step, which is made again."""
        return {**super().__getstate__(), "_steps": None, "_update": None}
