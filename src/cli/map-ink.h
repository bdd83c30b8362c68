/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map-ink.h: colours of groups, told apart by all kinds of colour vision (Okabe, Ito 2008). Of
 * more than these the largest have colours of their own, the rest is grey.
 */
#ifndef GLIM_CLI_MAP_INK_H
#define GLIM_CLI_MAP_INK_H

#include "cli/map.h"

typedef struct cli_map_ink {
    uint32_t rgb;
    int ansi256, ansi16;
    const char *letter; /* of the six largest */
} cli_map_ink;

enum { CLI_MAP_INKS = 8, CLI_MAP_LETTERS = 6 };

static const cli_map_ink cli_map_inks[CLI_MAP_INKS] = {
    {0x0072b2, 25, 34, "a"},  {0xd55e00, 166, 31, "b"}, {0x009e73, 36, 32, "c"},
    {0xcc79a7, 175, 35, "d"}, {0xe69f00, 178, 33, "e"}, {0x56b4e9, 74, 36, "f"},
    {0x8c5a2b, 94, 91, "."},  {0x6a51a3, 61, 94, "."}};
static const cli_map_ink cli_map_grey = {0x8a8f98, 245, 90, "."};

/* place: of a group by its size. */
static inline const cli_map_ink *cli_map_ink_of(size_t place) {
    return place < CLI_MAP_INKS ? &cli_map_inks[place] : &cli_map_grey;
}

#endif
