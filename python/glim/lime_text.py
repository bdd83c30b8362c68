# SPDX-License-Identifier: Apache-2.0
"""lime.lime_text's interface (lime 0.2.0.1) over glim's LIME for texts."""
from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import numpy as np

from .lime_base import Explanation, names_of, refuse, seed_of, selection, wanted_labels
from .predictor import TextPredictor, answers


class LimeTextExplainer:
    """Explains predictions on texts. Features are words (char_level: characters) of Unicode's word
    breaking, in Chinese as well. bow: a word is one feature wherever it stands, and goes away when
    it is absent; else each place is one, and mask_string (None: "UNKWORDZ") stands there.
    random_state None is 0, so that the same call gives the same answer; lime draws anew.
    """

    def __init__(self, kernel_width: float = 25, kernel: Any = None, verbose: bool = False,
                 class_names: Optional[Sequence[str]] = None, feature_selection: str = "auto",
                 split_expression: Any = r"\W+", bow: bool = True, mask_string: Optional[str] = None,
                 random_state: Any = None, char_level: bool = False) -> None:
        refuse(kernel=(kernel, None, "kernel_width sets the width of the usual one"),
               split_expression=(split_expression, r"\W+", "words are those of Unicode, or char_level=True"))
        self.class_names = None if class_names is None else [str(c) for c in class_names]
        self.kernel_width, self.verbose, self.bow, self.random_state = kernel_width, verbose, bow, random_state
        self.mask_string = "UNKWORDZ" if mask_string is None else mask_string
        self.char_level, self._selection = char_level, selection(feature_selection)

    def explain_instance(self, text_instance: str, classifier_fn: Callable[[list], Any], labels: Sequence[int] = (1,),
                         top_labels: Optional[int] = None, num_features: int = 10, num_samples: int = 5000,
                         distance_metric: str = "cosine", model_regressor: Any = None) -> Explanation:
        """Explains one text. classifier_fn(list of texts) gives probabilities (texts, classes)."""
        refuse(distance_metric=(distance_metric, "cosine", "distances are cosines"),
               model_regressor=(model_regressor, None, "the local model is a ridge"))
        said = answers(classifier_fn, [text_instance], 1, None, "classifier_fn")[0]
        names = names_of(self.class_names, said, "classifier_fn")
        top, wanted = wanted_labels(said, labels, top_labels)
        box = TextPredictor(classifier_fn, names)
        documents = {}
        for k in wanted:  # texts that were asked once are remembered
            documents[k] = box.explain(
                text_instance, "lime", target=names[k], units="character" if self.char_level else "word",
                mask_token=None if self.bow else self.mask_string, seed=seed_of(self.random_state),
                num_samples=int(num_samples), num_features=int(num_features), kernel_width=self.kernel_width,
                feature_selection=self._selection, bow=self.bow, absent="delete" if self.bow else "mask")
        words = [unit.strip() for unit in next(iter(documents.values())).units]
        out = Explanation("classification", names, words, documents, merge=self.bow)
        out.predict_proba, out.top_labels = np.asarray(said), top
        if self.verbose:
            out.tell(said[wanted[-1]])
        return out
