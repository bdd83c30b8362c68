/* SPDX-License-Identifier: Apache-2.0 */
/* The flags of glim map; t-SNE's have openTSNE's names. */
#include "cli/map-told.h"

#include <string.h>

#define AT(field) offsetof(cli_options, field)

const glim_param cli_map_flags_points[] = {
    {.name = "data",
     .type = GLIM_STRING,
     .offset = AT(data),
     .value_name = "FILE",
     .help = "texts of a model: .csv, .tsv, .jsonl, .txt",
     .group = "Points"},
    {
        .name = "table",
        .type = GLIM_STRING,
        .offset = AT(table),
        .value_name = "FILE",
        .help = "numbers: .csv, .tsv, .jsonl",
    },
    {
        .name = "labels",
        .type = GLIM_STRING,
        .offset = AT(labels),
        .value_name = "FILE",
        .help = "of a .npy: a table, a row a point",
    },
    {
        .name = "text",
        .type = GLIM_STRING,
        .offset = AT(text_column),
        .value_name = "COLUMN",
        .def.s = "text",
        .help = "the column of texts",
    },
    {
        .name = "label",
        .type = GLIM_STRING,
        .offset = AT(label),
        .value_name = "COLUMN",
        .help = "the column of labels (label, if there is one)",
    },
    {
        .name = "columns",
        .type = GLIM_STRING,
        .offset = AT(columns),
        .value_name = "A,B",
        .help = "the numbers to draw (default: all)",
    },
    {
        .name = "missing",
        .type = GLIM_CHOICE,
        .offset = AT(missing),
        .def.s = "error",
        .choices = "error|drop",
        .help = "rows with missing cells",
    },
    {
        .name = "site",
        .type = GLIM_STRING,
        .offset = AT(site),
        .value_name = "SITE",
        .help = "whose values, also a list or pattern (last block)",
    },
    {
        .name = "pool",
        .type = GLIM_CHOICE,
        .offset = AT(pool),
        .choices = "last|mean|first",
        .help = "a text's vector (decoders last, encoders mean)",
    },
    {
        .name = "normalise",
        .type = GLIM_BOOL,
        .offset = AT(normalise),
        .help = "vectors to length one: cosines",
    },
    {
        .name = "color-by",
        .type = GLIM_STRING,
        .offset = AT(color_by),
        .value_name = "WHAT",
        .help = "label, prediction, error, COLUMN, FILE#COLUMN",
    },
    {
        .name = "place",
        .type = GLIM_STRING,
        .offset = AT(place),
        .value_name = "MAP",
        .help = "the points are new ones of a map of --save",
    },
    {
        .name = "save",
        .type = GLIM_STRING,
        .offset = AT(save),
        .value_name = "FILE",
        .help = "the map as .safetensors, for --place",
    },
    {0},
};

const glim_param cli_map_flags_own[] = {
    {.name = "method",
     .type = GLIM_CHOICE,
     .offset = AT(method),
     .def.s = "tsne",
     .choices = "tsne|pca",
     .help = "neighbours kept, or largest variance",
     .group = "Map"},
    {
        .name = "pca",
        .type = GLIM_INT,
        .offset = AT(components),
        .def.i = 50,
        .min = 0,
        .max = 100000,
        .help = "components t-SNE sees (0: as given)",
    },
    {
        .name = "perplexity",
        .type = GLIM_REAL,
        .offset = AT(perplexity),
        .def.r = 30,
        .min = 1,
        .max = 1e6,
        .help = "neighbours that count, roughly",
    },
    {
        .name = "n-iter",
        .type = GLIM_INT,
        .offset = AT(n_iter),
        .def.i = 500,
        .min = 0,
        .max = 1000000,
        .help = "iterations behind the early ones",
    },
    {
        .name = "early-exaggeration-iter",
        .type = GLIM_INT,
        .offset = AT(early_iter),
        .def.i = 250,
        .min = 0,
        .max = 1000000,
        .help = "the early ones",
    },
    {
        .name = "early-exaggeration",
        .type = GLIM_REAL,
        .offset = AT(early_exaggeration),
        .def.r = 12,
        .min = 0.001,
        .max = 1e4,
        .help = "of attraction then",
    },
    {
        .name = "exaggeration",
        .type = GLIM_REAL,
        .offset = AT(exaggeration),
        .def.r = 1,
        .min = 0.001,
        .max = 1e4,
        .help = "and later",
    },
    {
        .name = "learning-rate",
        .type = GLIM_REAL,
        .offset = AT(learning_rate),
        .def.r = 0,
        .min = 0,
        .max = 1e9,
        .help = "0: points / exaggeration",
    },
    {
        .name = "initialization",
        .type = GLIM_CHOICE,
        .offset = AT(initialization),
        .def.s = "pca",
        .choices = "pca|random",
        .value_name = "HOW",
        .help = "pca or random",
    },
    {
        .name = "momentum",
        .type = GLIM_REAL,
        .offset = AT(momentum),
        .def.r = 0.8,
        .min = 0,
        .max = 0.9999,
        .help = "of each step",
    },
    {
        .name = "max-step-norm",
        .type = GLIM_REAL,
        .offset = AT(max_step_norm),
        .def.r = 5,
        .min = 0,
        .max = 1e9,
        .help = "of a point in a step (0: any)",
    },
    {
        .name = "gradient",
        .type = GLIM_CHOICE,
        .offset = AT(gradient),
        .def.s = "auto",
        .choices = "auto|exact|barnes-hut|fft",
        .value_name = "HOW",
        .help = "auto, exact, barnes-hut or fft",
    },
    {
        .name = "theta",
        .type = GLIM_REAL,
        .offset = AT(theta),
        .def.r = 0.5,
        .min = 0,
        .max = 2,
        .help = "of Barnes-Hut",
    },
    {
        .name = "neighbours",
        .type = GLIM_CHOICE,
        .offset = AT(neighbours),
        .def.s = "auto",
        .choices = "auto|exact|approximate",
        .value_name = "HOW",
        .help = "auto, exact or approximate",
    },
    {
        .name = "snapshots",
        .type = GLIM_INT,
        .offset = AT(snapshots),
        .def.i = 0,
        .min = 0,
        .max = 200,
        .help = "maps on the way, in the document",
    },
    {0},
};

static int choice(const char *given, const char *const *names) {
    for (int i = 0; names[i]; i++)
        if (!strcmp(given, names[i]))
            return i;
    return 0;
}

static size_t iterations(int64_t given) {
    return given ? (size_t)given : SIZE_MAX;
}

glim_map_options cli_map_options(const cli_run *run) {
    static const char *const methods[] = {"tsne", "pca", NULL};
    static const char *const gradients[] = {"auto", "exact", "barnes-hut", "fft", NULL};
    static const char *const searches[] = {"auto", "exact", "approximate", NULL};
    static const char *const starts[] = {"pca", "random", NULL};
    const cli_options *o = &run->o;
    return (glim_map_options){
        .method = (glim_map_method)choice(o->method, methods),
        .pca = (size_t)o->components,
        .normalise = o->normalise,
        .perplexity = o->perplexity,
        .early_exaggeration = o->early_exaggeration,
        .early_exaggeration_iter = iterations(o->early_iter),
        .exaggeration = o->exaggeration,
        .n_iter = iterations(o->n_iter),
        .learning_rate = o->learning_rate,
        .initial_momentum = o->momentum > 0 ? o->momentum : 1e-9,
        .final_momentum = o->momentum > 0 ? o->momentum : 1e-9,
        .theta = o->theta > 0 ? o->theta : -1,
        .max_step_norm = o->max_step_norm > 0 ? o->max_step_norm : -1,
        .search = (glim_map_search)choice(o->neighbours, searches),
        .gradient = (glim_map_gradient)choice(o->gradient, gradients),
        .start = (glim_map_start)choice(o->initialization, starts),
        .snapshots = (size_t)o->snapshots,
        .seed = (uint64_t)o->seed,
    };
}

/* What was really used, as the flags name it. */
json_t *cli_map_params(const glim_map_options *o, bool *ok) {
    static const char *const gradients[] = {"auto", "exact", "barnes-hut", "fft"};
    json_t *all = json_object();
    glim__json_set(ok, all, "normalise", json_boolean(o->normalise));
    if (o->method == GLIM_MAP_PCA)
        return all;
    bool early = o->early_exaggeration_iter != SIZE_MAX, late = o->n_iter != SIZE_MAX;
    glim__json_set(ok, all, "pca", json_integer((json_int_t)o->pca));
    glim__json_set(ok, all, "perplexity", json_real(o->perplexity));
    glim__json_set(ok, all, "early_exaggeration", json_real(o->early_exaggeration));
    glim__json_set(ok, all, "early_exaggeration_iter",
                   json_integer(early ? (json_int_t)o->early_exaggeration_iter : 0));
    glim__json_set(ok, all, "exaggeration", json_real(o->exaggeration));
    glim__json_set(ok, all, "n_iter", json_integer(late ? (json_int_t)o->n_iter : 0));
    glim__json_set(ok, all, "learning_rate",
                   o->learning_rate > 0 ? json_real(o->learning_rate) : json_string("auto"));
    glim__json_set(ok, all, "initialization",
                   json_string(o->start == GLIM_MAP_START_PCA ? "pca" : "random"));
    glim__json_set(ok, all, "momentum", json_real(o->final_momentum));
    glim__json_set(ok, all, "max_step_norm",
                   o->max_step_norm > 0 ? json_real(o->max_step_norm) : json_null());
    glim__json_set(ok, all, "gradient", json_string(gradients[o->gradient]));
    if (o->gradient == GLIM_MAP_GRADIENT_BARNES_HUT)
        glim__json_set(ok, all, "theta", json_real(o->theta < 0 ? 0 : o->theta));
    return all;
}
