"""Scores from compiled trees: for a flight some 0.1 ms of a processor instead of 2 ms.

scikit-learn checks, encodes and copies its input before it looks at the first tree, for one flight as for hundreds, and that is
more than all else that an answer costs. treelite reads the trees of the fitted classifier and scores them without. What it reads
is the inside of another package: so its scores are compared with the classifier's own before anything is served by them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ....sandbox.learning.training import Classifier, score
from .tensors import Floats

AGREE = 1e-12
"""What scores may differ by: their sums are those of the same numbers, in another order."""

Scorer = Callable[[Floats], Floats]
"""[n] probability of late, of a feature matrix [n, len(FEATURES)]."""

_LOG = logging.getLogger(__name__)


def scorer_of(classifier: Classifier, sample: Floats) -> Scorer:
    """What scores flights as a classifier does: its compiled trees, or itself where they cannot be had or do not agree.

    Args:
        classifier: fitted.
        sample: features of flights [n, len(FEATURES)], with codes and gaps of every kind, on which both must agree.
    """

    def plainly(matrix: Floats) -> Floats:
        return np.ascontiguousarray(classifier.predict_proba(matrix)[:, 1], np.float64)

    try:
        quickly = _compiled(classifier)
        difference = float(np.max(np.abs(quickly(sample) - score(classifier, sample))))
    except ImportError:  # it only saves time
        return plainly
    except Exception as error:  # noqa: BLE001 -- other versions may have other insides
        _LOG.warning("the trees cannot be compiled, so scikit-learn scores, which takes longer: %r", error)
        return plainly
    if not difference <= AGREE:
        _LOG.warning("the compiled trees' scores differ by %g, so scikit-learn scores, which takes longer", difference)
        return plainly
    return quickly


def _compiled(classifier: Classifier) -> Scorer:
    """The trees of a pipeline's last step.

    Raises:
        ImportError: treelite is not installed.
        Exception: they cannot be read; of whatever kind.
    """
    import treelite

    boosted = classifier[-1]  # type: ignore[index]  # a pipeline
    trees = treelite.sklearn.import_model(boosted)
    encoder = boosted._preprocessor.named_transformers_["encoder"]  # noqa: SLF001 -- what codes it knows is said nowhere else
    known: list[tuple[int, NDArray[np.float64]]] = [
        (int(column), np.asarray(codes, np.float64))
        for column, codes in zip(np.flatnonzero(boosted.is_categorical_), encoder.categories_, strict=True)
    ]

    def scores(matrix: Floats) -> Floats:
        """A code that it was not trained on is a missing one, as scikit-learn has it."""
        matrix = np.array(matrix, np.float64, order="C")
        for column, codes in known:
            matrix[~np.isin(matrix[:, column], codes), column] = np.nan
        found: Floats = treelite.gtil.predict(trees, matrix, nthread=1).reshape(len(matrix))
        return found

    return scores
