/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.h: status, errors and the context that every long call works in.
 *
 * A call that can fail returns a glim_status and takes a glim_error last; the
 * error may be NULL. A context owns the thread pool, the memory budget, the
 * cancel flag and the progress callback. It is made first and freed last:
 * models, sessions and documents hold a pointer to it.
 */
#ifndef GLIM_BASE_H
#define GLIM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GLIM_VERSION "0.1.0"

#if defined(__GNUC__)
#define GLIM_API          __attribute__((visibility("default")))
#define GLIM_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define GLIM_API
#define GLIM_PRINTF(f, a)
#endif

/* X(name, exit status of the command line, words) */
#define GLIM_STATUS_LIST(X)                                                                        \
    X(OK, 0, "done")                                                                               \
    X(EUSAGE, 2, "wrong usage")                                                                    \
    X(EFORMAT, 3, "the file contradicts its own format")                                           \
    X(EUNSUPPORTED, 3, "well formed, but not supported")                                           \
    X(ELIMIT, 3, "a stated limit is passed")                                                       \
    X(EIO, 3, "the system refused a read or a write")                                              \
    X(ENOMEM, 1, "out of memory")                                                                  \
    X(EBUDGET, 4, "does not fit the memory budget")                                                \
    X(ECANCELLED, 130, "interrupted")                                                              \
    X(ENUMERIC, 1, "a value is not finite")                                                        \
    X(EINTERNAL, 1, "a fault of glim itself")

typedef enum glim_status {
#define GLIM_STATUS_ENUM(name, exit_status, words) GLIM_##name,
    GLIM_STATUS_LIST(GLIM_STATUS_ENUM)
#undef GLIM_STATUS_ENUM
} glim_status;

/* What went wrong, in one line: what failed, why, and where possible what to
   do. Filled in once, at the place that knows most. */
typedef struct glim_error {
    glim_status status;
    char message[512];
} glim_error;

/* The words of a status; never NULL. */
GLIM_API const char *glim_status_text(glim_status status);
/* The process exit status that the command line gives for it. */
GLIM_API int glim_status_exit(glim_status status);
/* Fills *err (may be NULL) and returns status, so that a caller can write
   `return glim_fail(err, GLIM_EFORMAT, "tensor '%s' ...", name);` Control
   bytes and broken UTF-8 in the message are escaped. */
GLIM_API glim_status glim_fail(glim_error *err, glim_status status, const char *format, ...)
    GLIM_PRINTF(3, 4);
/* Puts "PREFIX: " in front of a message that is already there. */
GLIM_API glim_status glim_prefix(glim_error *err, glim_status status, const char *format, ...)
    GLIM_PRINTF(3, 4);

/* One report of a long call. Units are work (rows through a layer), so the
   fraction moves evenly. total == 0 means unknown. */
typedef struct glim_progress {
    const char *stage;    /* borrowed, a few words, e.g. "integrated-gradients" */
    uint64_t done, total; /* work units */
    uint64_t bytes;       /* memory in use now */
    double seconds;       /* since the stage began */
    double seconds_left;  /* estimate; < 0 while unknown */
} glim_progress;

typedef struct glim_context glim_context;

typedef struct glim_context_options {
    int threads;         /* workers; 0 = processors online; at most 256 */
    uint64_t memory;     /* budget in bytes, mapped model files included; 0 = none */
    const char *kernels; /* NULL = the best for this processor; "ref", "blas", "avx2", "avx512" */
    void (*progress)(void *data, const glim_progress *report); /* may be NULL; called at
                            most some 20 times a second, on the calling thread */
    void *progress_data;
} glim_context_options;

/* Makes a context; options may be NULL. Errors: EUSAGE (unknown kernels, or
   kernels that this processor lacks; threads out of range), ENOMEM. */
GLIM_API glim_status glim_context_new(glim_context **out, const glim_context_options *options,
                                      glim_error *err);
/* Frees the context and joins its threads; NULL is fine. Everything made in it
   must have been freed before. */
GLIM_API void glim_context_free(glim_context *ctx);
/* Asks the running call to stop: it returns GLIM_ECANCELLED within a second.
   Safe from a signal handler and from any thread. */
GLIM_API void glim_context_cancel(glim_context *ctx);
/* Clears the flag, so that the context can be used again. */
GLIM_API void glim_context_reset(glim_context *ctx);
GLIM_API bool glim_context_cancelled(const glim_context *ctx);
GLIM_API int glim_context_threads(const glim_context *ctx);
GLIM_API const char *glim_context_kernels(const glim_context *ctx);
/* Bytes in use now, the highest so far, and the budget (0 = none). */
GLIM_API uint64_t glim_context_bytes(const glim_context *ctx);
GLIM_API uint64_t glim_context_peak(const glim_context *ctx);
GLIM_API uint64_t glim_context_budget(const glim_context *ctx);
/* Starts the peak anew at the bytes in use now. */
GLIM_API void glim_context_reset_peak(glim_context *ctx);

/* The version of the library, e.g. "0.1.0". */
GLIM_API const char *glim_version(void);

#ifdef __cplusplus
}
#endif
#endif
