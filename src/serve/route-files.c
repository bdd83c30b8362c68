/* SPDX-License-Identifier: Apache-2.0 */
/* Files under the root, and files that are sent. */
#include "serve/request.h"

#include <string.h>

serve_result serve_list_files(serve_request *r) {
    glim_error err;
    json_t *list = NULL;
    const char *path = serve_query(r, "path");
    glim_status status = serve_list(&r->server->places, path ? path : "", &list, &err);
    if (status == GLIM_EUSAGE)
        return serve_reply_error(r, 404, err.message);
    return status ? serve_reply_status(r, status, &err) : serve_reply_json(r, 200, list, true);
}

serve_result serve_post_file(serve_request *r) {
    glim_error err;
    char path[NAME_MAX + 16];
    bool ok = true;
    const char *name = serve_query(r, "name");
    glim_status status =
        name ? serve_upload(&r->server->places, name, r->body.data ? r->body.data : "", r->body.len,
                            path, &err)
             : glim_fail(&err, GLIM_EUSAGE, "name: it is missing (POST /files?name=texts.csv)");
    if (status)
        return serve_reply_status(r, status, &err);
    json_t *o = json_object();
    glim__json_set(&ok, o, "path", json_string(path));
    return serve_reply_json(r, r->route->status, o, ok);
}
