/* SPDX-License-Identifier: Apache-2.0 */
/* Reports: how many, what they say, from whom; and the cancel flag. */
#include "base-testing.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

typedef struct log {
    int count;
    glim_progress last;
    pthread_t thread;
    glim_context *ctx;
    bool monotonic;
} report_log;

static void note(void *data, const glim_progress *report) {
    report_log *l = data;
    if (l->count && report->done < l->last.done)
        l->monotonic = false;
    l->count++;
    l->last = *report;
    l->thread = pthread_self();
}

static glim_context *context_with_log(report_log *l) {
    glim_context *ctx;
    glim_context_options options = {.threads = 2, .progress = note, .progress_data = l};
    *l = (report_log){.monotonic = true};
    assert_int_equal(glim__context_new(&ctx, &options, NULL), GLIM_OK);
    return ctx;
}

static void reports_come_at_most_twenty_times_a_second(void **state) {
    report_log l;
    glim_context *ctx = context_with_log(&l);
    double start = glim__seconds();
    glim__progress_begin(ctx, "counting", 100000);
    uint64_t added = 0;
    while (glim__seconds() - start < 0.5) {
        glim__progress_add(ctx, 1);
        added++;
    }
    double seconds = glim__seconds() - start;
    assert_true(l.count >= 5);
    assert_true(l.count <= 20 * seconds + 1);
    assert_true(l.monotonic);
    glim__progress_end(ctx);
    assert_int_equal(l.last.done, added < 100000 ? added : 100000);
    assert_string_equal(l.last.stage, "counting");
    assert_true(pthread_equal(l.thread, pthread_self()));
    end_context(ctx);
}

static void time_left_follows_the_fraction_done(void **state) {
    report_log l;
    glim_context *ctx = context_with_log(&l);
    glim__progress_begin(ctx, "quarter", 400);
    assert_true(l.last.seconds_left < 0);
    usleep(400000);
    glim__progress_add(ctx, 100);
    assert_int_equal(l.last.done, 100);
    assert_int_equal(l.last.total, 400);
    assert_true(l.last.seconds >= 0.4);
    assert_true(l.last.seconds_left > 2.99 * l.last.seconds);
    assert_true(l.last.seconds_left < 3.01 * l.last.seconds);
    glim__progress_end(ctx);
    end_context(ctx);
}

static void an_unknown_total_gives_no_time_left(void **state) {
    report_log l;
    glim_context *ctx = context_with_log(&l);
    glim__progress_begin(ctx, "endless", 0);
    usleep(400000);
    glim__progress_add(ctx, 5);
    assert_int_equal(l.last.done, 5);
    assert_true(l.last.seconds_left < 0);
    glim__progress_end(ctx);
    end_context(ctx);
}

static void a_total_that_is_learnt_on_the_way(void **state) {
    report_log l;
    glim_context *ctx = context_with_log(&l);
    glim__progress_begin(ctx, "open", 0);
    glim__progress_add(ctx, 5);
    glim__progress_expect(ctx, 10);
    usleep(400000);
    glim__progress_add(ctx, 5);
    assert_int_equal(l.last.total, 15);
    assert_true(l.last.seconds_left > 0);
    glim__progress_end(ctx);
    glim__progress_begin(ctx, "closed", 20);
    glim__progress_expect(ctx, 10);
    usleep(400000);
    glim__progress_add(ctx, 5);
    assert_int_equal(l.last.total, 20);
    glim__progress_end(ctx);
    end_context(ctx);
}

static void nested_stages_count_towards_the_outermost(void **state) {
    report_log l;
    glim_context *ctx = context_with_log(&l);
    glim__progress_begin(ctx, "outer", 10);
    glim__progress_begin(ctx, "inner", 3);
    glim__progress_add(ctx, 3);
    glim__progress_end(ctx);
    glim__progress_add(ctx, 4);
    glim__progress_end(ctx);
    assert_string_equal(l.last.stage, "outer");
    assert_int_equal(l.last.done, 7);
    assert_int_equal(l.last.total, 10);
    int before = l.count;
    glim__progress_add(ctx, 1);
    glim__progress_end(ctx);
    assert_int_equal(l.count, before);
    end_context(ctx);
}

static void items_are_counted_without_what_nested_stages_add(void **state) {
    report_log l;
    glim_context *ctx = context_with_log(&l);
    glim__progress_begin_items(ctx, "inputs", 10);
    glim__progress_begin(ctx, "inner", 3);
    glim__progress_add(ctx, 3);
    glim__progress_end(ctx);
    glim__progress_add(ctx, 1);
    glim__progress_end(ctx);
    assert_string_equal(l.last.stage, "inputs");
    assert_int_equal(l.last.done, 1);
    end_context(ctx);
}

static void the_stage_right_inside_counts_for_an_inner_one(void **state) {
    report_log l;
    glim_context *ctx = context_with_log(&l);
    glim__progress_begin_inner(ctx, "samples", 10);
    glim__progress_begin_items(ctx, "a pass", 3);
    glim__progress_add(ctx, 3);
    glim__progress_begin(ctx, "a product", 100);
    glim__progress_add(ctx, 100);
    glim__progress_end(ctx);
    glim__progress_end(ctx);
    glim__progress_add(ctx, 1);
    glim__progress_end(ctx);
    assert_string_equal(l.last.stage, "samples");
    assert_int_equal(l.last.done, 4);
    end_context(ctx);
}

static void *report_from_outside(void *arg) {
    glim__progress_begin(arg, "stranger", 5);
    glim__progress_add(arg, 5);
    glim__progress_end(arg);
    return NULL;
}

static void another_thread_does_not_disturb_the_stage(void **state) {
    report_log l;
    pthread_t thread;
    glim_context *ctx = context_with_log(&l);
    glim__progress_begin(ctx, "mine", 10);
    usleep(60000);
    pthread_create(&thread, NULL, report_from_outside, ctx);
    pthread_join(thread, NULL);
    assert_int_equal(l.count, 1);
    glim__progress_add(ctx, 1);
    assert_string_equal(l.last.stage, "mine");
    assert_int_equal(l.last.done, 1);
    glim__progress_end(ctx);
    usleep(60000);
    glim__progress_begin(ctx, "next", 3);
    assert_string_equal(l.last.stage, "next");
    glim__progress_end(ctx);
    end_context(ctx);
}

static void reports_tell_the_memory_in_use(void **state) {
    report_log l;
    glim_context *ctx = context_with_log(&l);
    glim__reserve(ctx, 12345);
    glim__progress_begin(ctx, "full", 1);
    assert_int_equal(l.last.bytes, 12345);
    glim__progress_end(ctx);
    glim__unreserve(ctx, 12345);
    end_context(ctx);
}

static void without_a_callback_nothing_happens(void **state) {
    glim_context *ctx = make_context(1, 0);
    glim__progress_begin(ctx, "x", 1);
    glim__progress_add(ctx, 1);
    glim__progress_end(ctx);
    end_context(ctx);
}

static glim_context *to_cancel;

static void on_signal(int number) {
    (void)number;
    glim_context_cancel(to_cancel);
}

static void cancelling_works_from_a_signal_handler(void **state) {
    glim_context *ctx = make_context(2, 0);
    glim_error err;
    assert_int_equal(glim__check_cancel(ctx, &err), GLIM_OK);
    to_cancel = ctx;
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    assert_true(glim_context_cancelled(ctx));
    assert_int_equal(glim__check_cancel(ctx, &err), GLIM_ECANCELLED);
    assert_string_equal(err.message, "interrupted");
    glim_context_reset(ctx);
    assert_int_equal(glim__check_cancel(ctx, &err), GLIM_OK);
    end_context(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_come_at_most_twenty_times_a_second),
        cmocka_unit_test(time_left_follows_the_fraction_done),
        cmocka_unit_test(an_unknown_total_gives_no_time_left),
        cmocka_unit_test(a_total_that_is_learnt_on_the_way),
        cmocka_unit_test(nested_stages_count_towards_the_outermost),
        cmocka_unit_test(items_are_counted_without_what_nested_stages_add),
        cmocka_unit_test(the_stage_right_inside_counts_for_an_inner_one),
        cmocka_unit_test(another_thread_does_not_disturb_the_stage),
        cmocka_unit_test(reports_tell_the_memory_in_use),
        cmocka_unit_test(without_a_callback_nothing_happens),
        cmocka_unit_test(cancelling_works_from_a_signal_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
