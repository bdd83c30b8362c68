/* SPDX-License-Identifier: Apache-2.0 */
/* advice-rules.h: the table of rules behind glim_advise. */
#ifndef GLIM_EVALUATE_ADVICE_RULES_H
#define GLIM_EVALUATE_ADVICE_RULES_H

#include <glim/advise.h>

/* One method for some questions. Masks have a bit for each value of their enum. */
typedef struct glim_rule {
    unsigned access, jobs, wants;
    size_t from, to; /* units; to 0: any number */
    const char *method, *command, *flags;
    /* passes = fixed + each * units, or 2^units; with `elastic` the method can do with fewer:
       that flag says how many, down to `least` beside each * units */
    double fixed, each, least;
    bool power;
    bool head; /* of a head that was fitted on the model */
    const char *elastic;
    unsigned char place[4]; /* by quality: the smaller, the earlier */
    const char *why;
} glim_rule;

/* Why a question has no answer; the first that fits. */
typedef struct glim_refusal {
    unsigned access, jobs, wants;
    const char *why;
} glim_refusal;

/* Closed by one without a method, or without words. */
extern const glim_rule glim__advice_rules[];
extern const glim_refusal glim__advice_refusals[];

#endif
