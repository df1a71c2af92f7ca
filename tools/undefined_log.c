/* Writes the undefined-behaviour sanitizer's reports to a file a process: $HUTCH_UNDEFINED_LOG and the process's number.
 *
 * Beside the address sanitizer its own log_path is not obeyed (the two libraries share the function that sets it), and its reports go to
 * whatever standard error is. This is its documented hook for monitors. Preloaded by tools/sanitized_tests.py. */
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void __ubsan_get_current_report_data(const char **kind, const char **message, const char **file, unsigned *line, unsigned *column,
                                            char **address);

__attribute__((visibility("default"))) void __ubsan_on_report(void) {
    const char *kind, *message, *file;
    unsigned line, column;
    char *address, path[4096];
    void *frames[40];
    const char *log = getenv("HUTCH_UNDEFINED_LOG");
    if (!log) return;
    __ubsan_get_current_report_data(&kind, &message, &file, &line, &column, &address);
    snprintf(path, sizeof path, "%s.%d", log, (int)getpid());
    FILE *out = fopen(path, "a");
    if (!out) return;
    fprintf(out, "%s:%u:%u: %s (%s)\n", file, line, column, message, kind);
    fflush(out);
    backtrace_symbols_fd(frames, backtrace(frames, 40), fileno(out));
    fclose(out);
}
