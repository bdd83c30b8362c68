/* SPDX-License-Identifier: Apache-2.0 */
/* The table of element types, by the ids of ggml's GGUF format. */
#include "tensor/types.h"

static const glim_type_info types[GLIM_TYPE_COUNT] = {
#define GLIM_TYPE_ROW(id, name, len, bytes, used) [id] = {#name, len, bytes, used},
    GLIM_TYPE_LIST(GLIM_TYPE_ROW)
#undef GLIM_TYPE_ROW
};

const glim_type_info *glim__type_info(uint32_t id) {
    return id < GLIM_TYPE_COUNT && types[id].name ? &types[id] : NULL;
}
