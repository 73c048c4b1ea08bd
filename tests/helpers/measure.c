/* measure RUNS A B...: runs the shell commands in turns, after one uncounted run of each (RUNS 0:
 * one run, no uncounted one). Prints for each the medians of wall seconds, CPU seconds (user and
 * system, including all that it has started) and peak memory in MiB (the largest process). A
 * command that begins with @ runs without a shell, which would be measured too: its words are split
 * at spaces, the first ones may be NAME=VALUE. Ends with 1 if a run fails; with MEASURE_STATUS=75,
 * a run is expected to end with that status. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wordexp.h>

enum { RUNS_LIMIT = 1000, COMMANDS_LIMIT = 16 };

struct run {
    double wall, cpu, memory;
};

static double seconds(struct timeval t) {
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double processor(const struct rusage *usage) {
    return seconds(usage->ru_utime) + seconds(usage->ru_stime);
}

static void run_words(const char *command) {
    wordexp_t words;
    if (wordexp(command, &words, WRDE_NOCMD) != 0)
        return;
    char **argv = words.we_wordv;
    while (*argv != NULL && strchr(*argv, '=') != NULL)
        putenv(*argv++);
    if (*argv != NULL)
        execvp(*argv, argv);
}

static struct run measure(const char *command) {
    struct timespec begin, end;
    struct rusage usage;
    const char *other = getenv("MEASURE_STATUS");
    int status = 0, expected = other != NULL ? atoi(other) << 8 : 0; /* as wait4 has it */
    clock_gettime(CLOCK_MONOTONIC, &begin);
    pid_t child = fork();
    if (child == 0) {
        int nothing = open("/dev/null", O_RDWR);
        dup2(nothing, STDIN_FILENO);
        dup2(nothing, STDOUT_FILENO);
        if (*command == '@')
            run_words(command + 1);
        else
            execl("/bin/bash", "bash", "-c", command, (char *)NULL);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child || status != expected) {
        fprintf(stderr, "measure: a run failed: %s\n", command);
        exit(1);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double cpu = processor(&usage), memory = (double)usage.ru_maxrss / 1024;
    while (wait4(-1, NULL, 0, &usage) > 0) /* what has outlived it, for which nobody has waited */
        cpu += processor(&usage);
    return (struct run){.wall = (double)(end.tv_sec - begin.tv_sec) +
                                (double)(end.tv_nsec - begin.tv_nsec) / 1e9,
                        .cpu = cpu,
                        .memory = memory};
}

static int compare(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

int main(int argc, char **argv) {
    static double wall[COMMANDS_LIMIT][RUNS_LIMIT], cpu[COMMANDS_LIMIT][RUNS_LIMIT],
        memory[COMMANDS_LIMIT][RUNS_LIMIT];
    int runs = argc > 2 ? atoi(argv[1]) : 0, commands = argc - 2;
    bool once = argc > 2 && strcmp(argv[1], "0") == 0; /* without an uncounted run */
    runs = once ? 1 : runs;
    if (runs < 1 || runs > RUNS_LIMIT || commands > COMMANDS_LIMIT)
        return 64;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int i = once ? 0 : -1; i < runs; i++) {
        for (int c = 0; c < commands; c++) {
            struct run run = measure(argv[c + 2]);
            if (i >= 0) {
                wall[c][i] = run.wall;
                cpu[c][i] = run.cpu;
                memory[c][i] = run.memory;
            }
        }
    }
    for (int c = 0; c < commands; c++)
        printf("%.5f %.5f %.1f\n", median(wall[c], runs), median(cpu[c], runs),
               median(memory[c], runs));
    return 0;
}
