/* SPDX-License-Identifier: Apache-2.0 */
/* What a document of a probe says in words: notes, checks, and the verdict. */
#include "structure/probe-run.h"

static bool add_notes(glim_document *doc, const glim_probe_run *r, const uint8_t *same,
                      size_t best) {
    const glim_probe_target *t = &r->data.target;
    const char *rows = r->data.words ? "words" : "texts";
    size_t others = 0;
    bool ok = true;
    for (size_t s = 0; s < r->store.n_sites; s++)
        others += same[s] && s != best;
    if (r->data.words)
        ok = glim_document_note(doc, "%zu words of %zu sentences, %zu spellings, %zu tags", t->n,
                                t->n_groups, t->n_types, t->n_classes);
    else if (t->values)
        ok = glim_document_note(doc, "%zu texts", t->n);
    else
        ok = glim_document_note(doc, "%zu texts, %zu classes", t->n, t->n_classes);
    ok = ok && glim_document_note(
                   doc,
                   "%zu folds, %zu time%s: each is tested by a probe that was fitted "
                   "on the others; 95 %% intervals by a bootstrap over %zu %s",
                   r->how.folds, r->how.repeats, r->how.repeats > 1 ? "s" : "", t->n_groups,
                   r->data.words ? "sentences"
                   : r->o->group ? "groups"
                                 : rows);
    if (ok && best < SIZE_MAX)
        ok = glim_document_note(doc,
                                others ? "best: %s; %zu other sites cannot be told from it"
                                       : "best: %s, more than all others",
                                r->store.sites[best].name, others);
    if (ok && r->inputs.cut)
        ok = glim_document_note(doc, "%zu texts were longer than the model's context and were cut",
                                r->inputs.cut);
    if (ok && r->data.left_out)
        ok = glim_document_note(doc, "%zu rows without text or label were left out",
                                r->data.left_out);
    if (ok && r->concepts)
        ok = glim_document_note(doc, "concepts: %zu texts were walked back", r->concept_texts);
    if (ok && r->partial)
        ok = glim_document_note(doc, "interrupted: sites without numbers were not reached");
    return ok;
}

static bool judge(glim_document *doc, const glim_probe_run *r, size_t best) {
    bool ok = true;
    if (best == SIZE_MAX)
        return true;
    const glim_probe_layer *l = &r->layers[best];
    double base = r->data.numbers ? 0 : r->majority;
    ok = glim_document_check_add(doc, "best", l->task.value, "the score of the best site");
    ok = ok && glim_document_check_add(doc, "majority", base,
                                       r->data.numbers ? "R2 of always saying the mean"
                                                       : "the share of the most frequent class");
    if (ok && r->how.controls)
        ok = glim_document_check_add(doc, "selectivity", l->selectivity.value,
                                     "the best site's score less that of its control");
    if (ok && r->baseline.done)
        ok = glim_document_check_add(doc, "baseline", r->baseline.task.value,
                                     r->data.words ? "the most frequent tag of each word"
                                                   : "a bag of words");
    const glim_probe_layer *other = r->shuffled.layers ? &r->shuffled.layers[best] : NULL;
    if (ok && other && other->done)
        ok = glim_document_check_add(doc, "shuffled", other->task.value,
                                     "the same site behind shuffled weights");
    if (!(l->task.low > base))
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "no site tells more than the most frequent answer does");
    else if (r->how.controls && !(l->selectivity.low > 0))
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "the probe does as well on labels that mean nothing");
    else if (r->baseline.done && !(l->task.low > r->baseline.task.value))
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "what reads no layer does as well: the words alone may tell it");
    else if (other && other->done && !(l->task.low > other->task.value))
        glim_document_judge(doc, GLIM_VERDICT_CAREFUL,
                            "the model with shuffled weights does as well: its shape alone may "
                            "tell it");
    return ok;
}

bool glim__probe_notes(glim_document *doc, const glim_probe_run *r, const uint8_t *same,
                       size_t best) {
    return add_notes(doc, r, same, best) && judge(doc, r, best);
}
