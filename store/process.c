#include "store/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Between fork and exec: async-signal-safe calls only. */
static bool become(const struct process_user *user) {
    if (!user->change)
        return true;
    return setgroups(1, &user->gid) == 0 && setgid(user->gid) == 0 && setuid(user->uid) == 0;
}

static void signals_default(void) {
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};
    sigset_t none;
    sigemptyset(&none);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        signal(ours[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* execv promises not to change the texts, though its prototype doesn't say so. */
static char *const *exec_args(const char *const argv[]) {
    union {
        const char *const *in;
        char *const *out;
    } both = {.in = argv};
    return both.out;
}

static _Noreturn void child(const char *const argv[], const struct process_user *user, int log_fd) {
    int null_fd = open("/dev/null", O_RDONLY);
    setsid();
    signals_default();
    umask(077);
    if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 && dup2(log_fd, STDOUT_FILENO) >= 0 &&
        dup2(log_fd, STDERR_FILENO) >= 0 && become(user) && chdir("/") == 0)
        execv(argv[0], exec_args(argv));
    _exit(127);
}

pid_t process_start(const char *const argv[], const struct process_user *user, const char *log_path, struct err *err) {
    int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) {
        err_set(err, ERR_CONFIG, "can't write %.300s: errno %d", log_path, errno);
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0)
        child(argv, user, log_fd);
    if (pid < 0)
        err_set(err, ERR_OUT_OF_MEMORY, "can't start %.300s: errno %d", argv[0], errno);
    close(log_fd);
    return pid;
}

bool process_run(const char *const argv[], const struct process_user *user, const char *log_path, int *status,
                 struct err *err) {
    pid_t pid = process_start(argv, user, log_path, err);
    if (pid < 0)
        return false;
    *status = -1;
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR)
            break;
    if (*status == 0)
        return true;
    return err_set(err, ERR_CONFIG, "%.200s failed: see %.200s", argv[0], log_path);
}

bool process_reaches(const struct process_user *user, const char *folder) {
    if (!user->change)
        return access(folder, X_OK) == 0;
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(become(user) && chdir(folder) == 0 ? 0 : 1);
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            break;
    return pid > 0 && status == 0;
}

bool process_lives(pid_t pid) {
    if (waitpid(pid, NULL, WNOHANG) == pid)
        return false;
    return kill(pid, 0) == 0 || errno == EPERM;
}
