#include "store/cluster_setup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum { VERSION_OLDEST = 15, SOCKET_PATH_LIMIT = 107 };

static bool path_set(char out[CLUSTER_PATH], const char *folder, const char *name, struct err *err) {
    int length = snprintf(out, CLUSTER_PATH, "%s%s", folder, name);
    return (length >= 0 && length < CLUSTER_PATH) || err_set(err, ERR_CONFIG, "the data folder's path is too long");
}

static bool user_find(struct process_user *user, struct err *err) {
    *user = (struct process_user){.change = geteuid() == 0};
    if (!user->change)
        return true;
    struct passwd *entry = getpwnam("postgres");
    if (!entry)
        return err_set(err, ERR_CONFIG,
                       "PostgreSQL does not run as root and there is no user \"postgres\": install PostgreSQL's server "
                       "package, start rmmhunt as another user, or set DATABASE_URL");
    user->uid = entry->pw_uid;
    user->gid = entry->pw_gid;
    return true;
}

static bool folder_make(const char *path, struct err *err) {
    char part[CLUSTER_PATH];
    for (size_t i = 1; path[i]; i++) {
        if (path[i] != '/')
            continue;
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return err_set(err, ERR_CONFIG, "can't make the folder %.300s: errno %d", part, errno);
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, ERR_CONFIG, "can't make the folder %.300s: errno %d", path, errno);
    return true;
}

/* An existing folder with things in it that aren't a cluster's is not to change hands: it may be /var/lib itself. */
static bool folder_is_free(const char *path) {
    char lock[CLUSTER_PATH + 16];
    snprintf(lock, sizeof lock, "%s/start.lock", path);
    if (access(lock, F_OK) == 0)
        return true;
    DIR *folder = opendir(path);
    size_t count = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            count++;
    if (folder)
        closedir(folder);
    return folder && !count;
}

/* Where we are root, the folder becomes PostgreSQL's user's. Never through a symbolic link, which someone else could
 * have laid below /tmp. */
static bool folder_give(const char *path, const struct process_user *user, struct err *err) {
    struct stat info;
    if (!user->change)
        return true;
    if (lstat(path, &info) < 0 || !S_ISDIR(info.st_mode))
        return err_set(err, ERR_CONFIG, "%.300s is not a folder", path);
    if (info.st_uid == user->uid)
        return true;
    if (!folder_is_free(path))
        return err_set(err, ERR_CONFIG,
                       "the folder %.300s holds other things: choose an empty or a new one (RMMHUNT_DATA)", path);
    if (info.st_uid != 0 && info.st_uid != geteuid())
        return err_set(err, ERR_CONFIG, "the folder %.300s belongs to another user than postgres or root", path);
    return lchown(path, user->uid, user->gid) == 0 ||
           err_set(err, ERR_CONFIG, "can't give the folder %.300s to user postgres: errno %d", path, errno);
}

/* A socket's path must fit 107 bytes: from a deep data folder it moves to /tmp, under a name made of the folder's path
 * and noted in <data>/sockets. */
bool cluster_place_sockets(struct cluster_place *place, struct err *err) {
    static const char socket_name[] = "/.s.PGSQL.5432.lock";
    struct stat info;
    if (!path_set(place->sockets, place->data, "/run", err))
        return false;
    bool moved = strlen(place->sockets) + sizeof socket_name > SOCKET_PATH_LIMIT;
    if (moved) {
        uint64_t hash = UINT64_C(14695981039346656037);
        for (const char *c = place->data; *c; c++)
            hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
        snprintf(place->sockets, sizeof place->sockets, "/tmp/rmmhunt-%u-%016llx", (unsigned)geteuid(),
                 (unsigned long long)hash);
    }
    if (!folder_make(place->sockets, err) || !folder_give(place->sockets, &place->user, err))
        return false;
    uid_t owner = place->user.change ? place->user.uid : geteuid();
    if (lstat(place->sockets, &info) < 0 || !S_ISDIR(info.st_mode) || info.st_uid != owner || (info.st_mode & 077))
        return err_set(err, ERR_CONFIG, "%.300s must be a folder that only PostgreSQL's user can enter", place->sockets);
    char note[CLUSTER_PATH];
    if (!moved || !path_set(note, place->data, "/sockets", err))
        return !moved;
    int fd = open(note, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && dprintf(fd, "%s\n", place->sockets) > 0;
    if (fd >= 0)
        close(fd);
    return ok || err_set(err, ERR_CONFIG, "can't write %.300s: errno %d", note, errno);
}

bool cluster_place_open(const char *data_dir, struct cluster_place *place, struct err *err) {
    char real[PATH_MAX];
    memset(place, 0, sizeof *place);
    if (!user_find(&place->user, err))
        return false;
    if (strlen(data_dir) >= CLUSTER_PATH)
        return err_set(err, ERR_CONFIG, "the data folder's path is too long");
    if (!cluster_place_reachable(data_dir))
        return err_set(err, ERR_CONFIG,
                       "PostgreSQL's user can't enter %.200s: choose another data folder (RMMHUNT_DATA), such as "
                       "/var/lib/rmmhunt, or let user postgres enter the folders above it (chmod a+x)",
                       data_dir);
    if (!folder_make(data_dir, err))
        return false;
    if (!realpath(data_dir, real))
        return err_set(err, ERR_CONFIG, "can't find the data folder %.300s: errno %d", data_dir, errno);
    return path_set(place->data, real, "", err) && path_set(place->pg, real, "/pg", err) &&
           path_set(place->log, real, "/postgres.log", err) && folder_give(place->data, &place->user, err);
}

bool cluster_place_reachable(const char *data_dir) {
    struct process_user user;
    struct err ignored = {0};
    char path[PATH_MAX], real[PATH_MAX];
    if (!user_find(&user, &ignored))
        return true; /* cluster_place_open tells what is wrong */
    snprintf(path, sizeof path, "%s", data_dir);
    while (!realpath(path, real)) {
        char *slash = strrchr(path, '/');
        if (slash)
            *slash = 0;
        if (!slash || slash == path)
            snprintf(path, sizeof path, slash ? "/" : ".");
    }
    struct stat info;
    bool below_root = user.change && stat(real, &info) == 0 && info.st_uid == 0 && !(info.st_mode & 001);
    /* an existing data folder of mode 0700 that is still root's becomes postgres' own: look above it */
    if (below_root && !strcmp(path, data_dir) && strcmp(real, "/") != 0) {
        char *slash = strrchr(real, '/');
        slash[slash == real] = 0;
    }
    return process_reaches(&user, real);
}

static int version_of(const char *text) {
    int version = 0;
    while (*text >= '0' && *text <= '9' && version < 1000)
        version = version * 10 + (*text++ - '0');
    return version;
}

/* Major version of the cluster that is there already; 0: none. */
static int version_there(const struct cluster_place *place) {
    char path[CLUSTER_PATH + 16], text[16] = "";
    snprintf(path, sizeof path, "%s/PG_VERSION", place->pg);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    return length > 0 ? version_of(text) : 0;
}

/* The newest of the versions installed side by side, or just `wanted`. */
static bool bin_versioned(const char *pattern, size_t prefix, int wanted, char out[CLUSTER_PATH]) {
    glob_t found;
    int best = 0;
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            int version = version_of(found.gl_pathv[i] + prefix);
            if (version < VERSION_OLDEST || version <= best || (wanted && version != wanted))
                continue;
            best = version;
            snprintf(out, CLUSTER_PATH, "%.*s", (int)(strrchr(found.gl_pathv[i], '/') - found.gl_pathv[i]),
                     found.gl_pathv[i]);
        }
    globfree(&found);
    return best > 0;
}

static bool bin_in_path(char out[CLUSTER_PATH]) {
    const char *path = getenv("PATH");
    for (const char *at = path; at && *at;) {
        size_t length = strcspn(at, ":");
        char program[CLUSTER_PATH];
        snprintf(out, CLUSTER_PATH, "%.*s", (int)length, at);
        snprintf(program, sizeof program, "%.480s/initdb", out);
        if (length && access(program, X_OK) == 0)
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

static bool bin_find(struct cluster_place *place, struct err *err) {
    static const char debian[] = "/usr/lib/postgresql/*/bin/initdb", redhat[] = "/usr/pgsql-*/bin/initdb";
    int wanted = version_there(place);
    if (bin_versioned(debian, sizeof "/usr/lib/postgresql/" - 1, wanted, place->bin) ||
        bin_versioned(redhat, sizeof "/usr/pgsql-" - 1, wanted, place->bin) || bin_in_path(place->bin))
        return true;
    return err_set(err, ERR_CONFIG,
                   "no PostgreSQL server of version %d%s is installed: install it (Debian: apt-get install "
                   "postgresql), or set DATABASE_URL to a database elsewhere",
                   wanted ? wanted : VERSION_OLDEST, wanted ? "" : " or newer");
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static bool file_write(const char *path, const char *mode, const struct buf *text, struct err *err) {
    FILE *file = fopen(path, mode);
    bool ok = file && !text->failed && fwrite(text->ptr, 1, text->len, file) == text->len;
    if (file)
        ok = fclose(file) == 0 && ok;
    return ok || err_set(err, ERR_CONFIG, "can't write %.300s: errno %d", path, errno);
}

/* Made beside its place and moved there when whole: a half-finished one is never taken for a cluster. */
static bool cluster_make(const struct cluster_place *place, struct err *err) {
    char fresh[CLUSTER_PATH], program[CLUSTER_PATH], conf[CLUSTER_PATH];
    int status;
    if (!path_set(fresh, place->pg, ".new", err) || !path_set(program, place->bin, "/initdb", err) ||
        !path_set(conf, fresh, "/postgresql.conf", err))
        return false;
    nftw(fresh, remove_one, 32, FTW_DEPTH | FTW_PHYS);
    const char *const argv[] = {program, "-D", fresh, "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust",
                                "--username=rmmhunt", "--no-instructions", NULL};
    if (!process_run(argv, &place->user, place->log, &status, err))
        return false;
    BUF_AUTO include = BUF(1024);
    buf_printf(&include, "\n# written anew at each start; what comes behind this line wins\ninclude = 'rmmhunt.conf'\n");
    if (!file_write(conf, "a", &include, err))
        return false;
    return rename(fresh, place->pg) == 0 ||
           err_set(err, ERR_CONFIG, "can't move %.300s to its place: errno %d", fresh, errno);
}

static bool settings_write(const struct cluster_place *place, struct err *err) {
    char path[CLUSTER_PATH];
    BUF_AUTO text = BUF(16 * 1024);
    long long memory_mb = (long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) >> 20;
    long long shared_mb = memory_mb / 8 > 1024 ? 1024 : memory_mb / 8 < 32 ? 32 : memory_mb / 8;
    buf_printf(&text, "listen_addresses = ''\nport = 5432\nunix_socket_permissions = 0700\n"
                      "unix_socket_directories = '");
    for (const char *c = place->sockets; *c; c++)
        buf_add_str(&text, *c == '\'' ? STR("''") : (struct str){c, 1});
    buf_printf(&text,
               "'\nmax_connections = 50\nmax_locks_per_transaction = 1024\nshared_buffers = %lldMB\n"
               "effective_cache_size = %lldMB\nwork_mem = 32MB\nmaintenance_work_mem = 128MB\n",
               shared_mb, memory_mb / 2);
    buf_printf(&text, "max_wal_size = 4GB\nmin_wal_size = 512MB\ncheckpoint_timeout = 15min\n"
                      "checkpoint_completion_target = 0.9\nwal_compression = lz4\ndefault_toast_compression = lz4\n"
                      "jit = off\nrandom_page_cost = 1.1\nautovacuum_naptime = 30s\n"
                      "autovacuum_vacuum_insert_scale_factor = 0.2\nautovacuum_analyze_scale_factor = 0.05\n"
                      "log_min_messages = warning\nlog_line_prefix = '%%m [%%p] '\nlogging_collector = off\n"
                      "timezone = 'UTC'\nlog_timezone = 'UTC'\n");
    if (!path_set(path, place->pg, "/rmmhunt.conf", err) || !file_write(path, "w", &text, err))
        return false;
    /* as root the file is ours: PostgreSQL's user must be able to read it (the folder is 0700) */
    return chmod(path, 0644) == 0 || err_set(err, ERR_CONFIG, "can't make %.300s readable: errno %d", path, errno);
}

bool cluster_place_prepare(struct cluster_place *place, struct err *err) {
    if (!bin_find(place, err))
        return false;
    if (!version_there(place) && !cluster_make(place, err))
        return false;
    return settings_write(place, err);
}
