/* SPDX-License-Identifier: Apache-2.0 */
/* Every item once, by workers in range, for any thread count and any caller. */
#include "base-testing.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { ITEMS = 1000 };

typedef struct job {
    int threads;
    atomic_int times[ITEMS];
    atomic_int inside[256]; /* pieces that a worker is in: never two */
    atomic_bool bad;
} job;

static void count_item(void *data, size_t item, int worker) {
    job *j = data;
    if (worker < 0 || worker >= j->threads || item >= ITEMS ||
        atomic_fetch_add(&j->inside[worker], 1) != 0)
        atomic_store(&j->bad, true);
    atomic_fetch_add(&j->times[item], 1);
    atomic_fetch_sub(&j->inside[worker], 1);
}

static void check_run(glim_context *ctx, size_t items) {
    static job j;
    memset(&j, 0, sizeof j);
    j.threads = glim_context_threads(ctx);
    glim__parallel(ctx, items, count_item, &j);
    assert_false(atomic_load(&j.bad));
    for (size_t i = 0; i < ITEMS; i++)
        assert_int_equal(atomic_load(&j.times[i]), i < items);
}

static void every_item_runs_once_for_any_thread_count(void **state) {
    static const int threads[] = {1, 2, 3, 7};
    static const size_t items[] = {0, 1, 2, 5, 64, ITEMS};
    for (size_t t = 0; t < 4; t++) {
        glim_context *ctx = make_context(threads[t], 0);
        assert_int_equal(glim_context_threads(ctx), threads[t]);
        for (int round = 0; round < 50; round++)
            for (size_t i = 0; i < 6; i++)
                check_run(ctx, items[i]);
        glim_context_free(ctx);
    }
}

static void runs_work_again_after_the_workers_slept(void **state) {
    glim_context *ctx = make_context(3, 0);
    for (int i = 0; i < 10; i++) {
        usleep(3000);
        check_run(ctx, 17);
    }
    glim_context_free(ctx);
}

static void slow_item(void *data, size_t item, int worker) {
    atomic_int *busy = data;
    (void)item, (void)worker;
    atomic_fetch_add(busy, 1);
    double until = glim__seconds() + 1.0;
    while (atomic_load(busy) < 3 && glim__seconds() < until)
        usleep(100);
}

static void workers_work_at_the_same_time(void **state) {
    glim_context *ctx = make_context(3, 0);
    atomic_int busy = 0;
    double start = glim__seconds();
    glim__parallel(ctx, 3, slow_item, &busy);
    assert_int_equal(atomic_load(&busy), 3);
    assert_true(glim__seconds() - start < 0.9);
    glim_context_free(ctx);
}

typedef struct caller {
    glim_context *ctx;
    atomic_int *running;
    atomic_bool *bad;
    atomic_size_t done;
} caller;

static void exclusive_item(void *data, size_t item, int worker) {
    caller *c = data;
    (void)item, (void)worker;
    atomic_fetch_add(&c->done, 1);
}

static void *call_often(void *arg) {
    caller *c = arg;
    for (int i = 0; i < 500; i++) {
        atomic_store(&c->done, 0);
        glim__parallel(c->ctx, 20, exclusive_item, c);
        if (atomic_load(&c->done) != 20)
            atomic_store(c->bad, true);
    }
    return NULL;
}

static void two_callers_on_one_context_take_turns(void **state) {
    glim_context *ctx = make_context(3, 0);
    atomic_bool bad = false;
    atomic_int running = 0;
    caller callers[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        callers[i] = (caller){.ctx = ctx, .running = &running, .bad = &bad};
        pthread_create(&threads[i], NULL, call_often, &callers[i]);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_false(atomic_load(&bad));
    glim_context_free(ctx);
}

static void note_thread(void *data, size_t item, int worker) {
    pthread_t *thread = data;
    if (worker == 0)
        *thread = pthread_self();
    else
        usleep(50 * (unsigned)item % 100);
}

static void the_caller_is_worker_zero(void **state) {
    glim_context *ctx = make_context(2, 0);
    pthread_t thread = 0;
    glim__parallel(ctx, 100, note_thread, &thread);
    assert_true(pthread_equal(thread, pthread_self()));
    glim_context_free(ctx);
}

static void default_threads_are_the_processors_online(void **state) {
    glim_context *ctx;
    glim_error err;
    assert_int_equal(glim__context_new(&ctx, NULL, &err), GLIM_OK);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    assert_int_equal(glim_context_threads(ctx), online > 256 ? 256 : online);
    glim_context_free(ctx);
}

static void thread_counts_out_of_range_are_refused(void **state) {
    glim_context *ctx;
    glim_error err;
    glim_context_options options = {.threads = 257};
    assert_int_equal(glim__context_new(&ctx, &options, &err), GLIM_EUSAGE);
    assert_null(ctx);
    assert_contains(err.message, "257 threads");
    options.threads = -1;
    assert_int_equal(glim__context_new(&ctx, &options, &err), GLIM_EUSAGE);
    glim_context_free(NULL);
}

static void kernels_are_kept_for_higher_floors(void **state) {
    glim_context *ctx = make_context(1, 0);
    assert_null(glim__kernels(ctx));
    const struct glim_kernels *some = (const struct glim_kernels *)&ctx;
    glim__context_set_kernels(ctx, some);
    assert_ptr_equal(glim__kernels(ctx), some);
    end_context(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_runs_once_for_any_thread_count),
        cmocka_unit_test(runs_work_again_after_the_workers_slept),
        cmocka_unit_test(workers_work_at_the_same_time),
        cmocka_unit_test(two_callers_on_one_context_take_turns),
        cmocka_unit_test(the_caller_is_worker_zero),
        cmocka_unit_test(default_threads_are_the_processors_online),
        cmocka_unit_test(thread_counts_out_of_range_are_refused),
        cmocka_unit_test(kernels_are_kept_for_higher_floors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
