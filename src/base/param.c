/* SPDX-License-Identifier: Apache-2.0 */
/*
 * param.c: the parameter table's reader. A value is parsed whole or refused:
 * "12x" is not 12, and what does not fit its field is out of range rather than
 * cut. Messages name the flag as the user typed it.
 */
#include <glim/param.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *field(const glim_param *p, void *options) {
    return (char *)options + p->offset;
}

void glim_param_defaults(const glim_param *table, void *options) {
    for (const glim_param *p = table; p->type != GLIM_PARAM_END; p++) {
        void *at = field(p, options);
        switch (p->type) {
        case GLIM_BOOL:
            *(bool *)at = false;
            break;
        case GLIM_INT:
            *(int64_t *)at = p->def.i;
            break;
        case GLIM_REAL:
            *(double *)at = p->def.r;
            break;
        case GLIM_STRING:
        case GLIM_CHOICE:
            *(const char **)at = p->def.s;
            break;
        case GLIM_SIZE:
            *(uint64_t *)at = (uint64_t)p->def.i;
            break;
        case GLIM_PARAM_END:
            break;
        }
    }
}

const glim_param *glim_param_find(const glim_param *table, const char *name) {
    for (const glim_param *p = table; p->type != GLIM_PARAM_END; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

static glim_status refuse(const glim_param *p, const char *value, const char *expected,
                          glim_error *err) {
    return glim_fail(err, GLIM_EUSAGE, "--%s: '%s' is not %s", p->name, value, expected);
}

static glim_status check_bounds(const glim_param *p, double x, const char *value, glim_error *err) {
    if ((p->min == 0 && p->max == 0) || (x >= p->min && x <= p->max))
        return GLIM_OK;
    bool whole = p->type != GLIM_REAL;
    return glim_fail(err, GLIM_EUSAGE,
                     whole ? "--%s: '%s' is out of range (%.0f to %.0f)"
                           : "--%s: '%s' is out of range (%g to %g)",
                     p->name, value, p->min, p->max);
}

static bool starts_number(const char *s) {
    return (*s >= '0' && *s <= '9') || *s == '-' || *s == '+' || *s == '.';
}

static glim_status set_int(const glim_param *p, int64_t *out, const char *value, glim_error *err) {
    char *end;
    errno = 0;
    long long x = strtoll(value, &end, 10);
    if (!starts_number(value) || end == value || *end)
        return refuse(p, value, "a whole number", err);
    if (errno == ERANGE)
        return refuse(p, value, "a number that fits 64 bits", err);
    glim_status status = check_bounds(p, (double)x, value, err);
    if (status == GLIM_OK)
        *out = x;
    return status;
}

static glim_status set_real(const glim_param *p, double *out, const char *value, glim_error *err) {
    char *end;
    double x = strtod(value, &end);
    if (!starts_number(value) || end == value || *end || !isfinite(x))
        return refuse(p, value, "a number", err);
    glim_status status = check_bounds(p, x, value, err);
    if (status == GLIM_OK)
        *out = x;
    return status;
}

static glim_status set_choice(const glim_param *p, const char **out, const char *value,
                              glim_error *err) {
    size_t n = strcspn(value, "|");
    bool plain = n > 0 && value[n] == '\0';
    for (const char *c = p->choices; plain && c; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL) {
        if (strncmp(c, value, n) == 0 && (c[n] == '\0' || c[n] == '|')) {
            *out = value;
            return GLIM_OK;
        }
    }
    return glim_fail(err, GLIM_EUSAGE, "--%s: '%s' is none of %s", p->name, value, p->choices);
}

/* The power of 1024 that a unit stands for, or -1: K, KB and KiB are the same. */
static int unit_power(const char *unit) {
    static const char letters[] = "KMGT";
    if (*unit == '\0' || strcmp(unit, "B") == 0)
        return 0;
    char letter = *unit >= 'a' && *unit <= 'z' ? (char)(*unit - 'a' + 'A') : *unit;
    const char *at = strchr(letters, letter);
    const char *rest = unit + 1;
    if (!at || (*rest && strcmp(rest, "B") && strcmp(rest, "iB") && strcmp(rest, "b")))
        return -1;
    return (int)(at - letters) + 1;
}

static glim_status set_size(const glim_param *p, uint64_t *out, const char *value,
                            glim_error *err) {
    char *end = NULL;
    double x = *value >= '0' && *value <= '9' ? strtod(value, &end) : -1;
    int power = x >= 0 && end && strpbrk(value, "xXeE") == NULL ? unit_power(end) : -1;
    if (power < 0)
        return refuse(p, value, "a size such as 2G, 512M or 4096", err);
    x = ldexp(x, 10 * power);
    if (!(x < 0x1p63))
        return refuse(p, value, "a size below 8 EiB", err);
    glim_status status = check_bounds(p, x, value, err);
    if (status == GLIM_OK)
        *out = (uint64_t)x;
    return status;
}

static glim_status set_bool(const glim_param *p, bool *out, const char *value, glim_error *err) {
    bool yes = !value || !*value || !strcmp(value, "true") || !strcmp(value, "1");
    if (!yes && strcmp(value, "false") && strcmp(value, "0"))
        return refuse(p, value, "true or false", err);
    *out = yes;
    return GLIM_OK;
}

glim_status glim_param_set(const glim_param *param, void *options, const char *value,
                           glim_error *err) {
    void *at = field(param, options);
    if (!value && param->type != GLIM_BOOL && !param->optional_value)
        return glim_fail(err, GLIM_EUSAGE, "--%s needs a value", param->name);
    switch (param->type) {
    case GLIM_BOOL:
        return set_bool(param, at, value, err);
    case GLIM_INT:
        return set_int(param, at, value ? value : "", err);
    case GLIM_REAL:
        return set_real(param, at, value ? value : "", err);
    case GLIM_CHOICE:
        return set_choice(param, at, value ? value : "", err);
    case GLIM_SIZE:
        return set_size(param, at, value ? value : "", err);
    case GLIM_STRING:
        *(const char **)at = value ? value : "";
        return GLIM_OK;
    case GLIM_PARAM_END:
        break;
    }
    return glim_fail(err, GLIM_EINTERNAL, "a parameter without a type");
}
