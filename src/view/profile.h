/* SPDX-License-Identifier: Apache-2.0 */
/* profile.h: how good an explanation is, drawn as a profile of qualities. */
#ifndef GLIM_VIEW_PROFILE_H
#define GLIM_VIEW_PROFILE_H

#include "base/buffer.h"
#include "base/json.h"

#include <glim/evaluate.h>
#include <glim/view.h>

/* A method over many inputs. */
typedef struct glim_profile_inputs {
    size_t available, chosen; /* in the file, and drawn of them */
    size_t judged, failed, empty;
    bool partial; /* interrupted */
} glim_profile_inputs;

typedef struct glim_profile {
    const glim_evaluation *e;
    const glim_document *doc;          /* what was judged */
    const glim_profile_inputs *inputs; /* NULL: one explanation */
    const char *absent;                /* as asked for; NULL = auto */
    size_t draws;
    uint64_t seed;
    bool inside;         /* drawn below the explanation, which tells the target and the notes */
    const json_t *saved; /* the document that it was read from, which JSON repeats; or NULL */
} glim_profile;

/* By the name of a view: "terminal", "json", "csv", "html". Free with glim_view_free. */
glim_status glim__profile_render(const char *view, const glim_profile *p,
                                 const glim_view_options *o, char **out, size_t *n,
                                 glim_error *err);

/* ---- inside an explanation ---- */

/* Puts the profile into the document that it judges. Errors: ENOMEM, EBUDGET. */
glim_status glim__profile_keep(glim_document *doc, const glim_profile *p, glim_error *err);
/* The profile that a document keeps, whose texts live until it is closed. `name` is for
   messages. Errors: EFORMAT, ENOMEM; closed then. */
typedef struct glim_profile_kept {
    glim_profile profile;
    glim_profile_inputs inputs;
    glim_evaluation e;
    json_t *all;
} glim_profile_kept;
glim_status glim__profile_open(glim_profile_kept *out, const glim_document *doc, const char *name,
                               glim_error *err);
/* A saved glim.evaluation/1. `doc` is a new document, which gets what is shown of what was judged;
   it and `all` live until this is closed. Errors: EFORMAT, ENOMEM; closed then. */
glim_status glim__profile_read(glim_profile_kept *out, glim_document *doc, json_t *all,
                               const char *name, glim_error *err);
void glim__profile_close(glim_profile_kept *k);

/* ---- between the files ---- */

/* Its curves, of one of `every` points, and ranks as panels of a document of their own. Free with
   glim_document_free. Errors: ENOMEM. */
glim_status glim__profile_panels(glim_document **out, const glim_profile *f, size_t every,
                                 glim_error *err);
/* The same of what JSON says (the whole document, or the member of an explanation); *out NULL where
   it says nothing of the kind. Errors: ENOMEM, EFORMAT. */
glim_status glim__profile_panels_of(glim_document **out, glim_context *ctx, const json_t *all,
                                    glim_error *err);
/* Line i of a curve, and its name; NULL behind the last. */
double *glim__curve_line(glim_curve *c, size_t i, const char **key);

/* What is to be thought of it: the key of the words, and what stands in them. */
typedef struct glim_profile_verdict {
    glim_verdict verdict;
    const char *key;
    const glim_measure *failed; /* the check that failed, or NULL */
} glim_profile_verdict;
glim_profile_verdict glim__profile_verdict(const glim_profile *p);
/* The same in English. */
void glim__profile_words(glim_buffer *b, const glim_profile *p);
typedef glim_status glim_profile_view(const glim_profile *p, const glim_view_options *o, char **out,
                                      size_t *n, glim_error *err);
glim_profile_view glim__profile_json, glim__profile_terminal, glim__profile_html;

#endif
