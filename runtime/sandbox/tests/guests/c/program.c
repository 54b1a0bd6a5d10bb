// Goes through what WASI serves of the C library and prints what it sees.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void show(const char *what, int result) {
    if (result < 0) {
        printf("%s: errno %d\n", what, errno);
    } else {
        printf("%s: %d\n", what, result);
    }
}

static void list(const char *path) {
    DIR *dir = opendir(path);
    if (!dir) {
        show(path, -1);
        return;
    }
    printf("%s:", path);
    for (struct dirent *entry; (entry = readdir(dir));) {
        printf(" %s%s", entry->d_name, entry->d_type == DT_DIR ? "/" : entry->d_type == DT_LNK ? "@" : "");
    }
    rewinddir(dir);
    int count = 0;
    while (readdir(dir)) {
        count++;
    }
    printf(" (%d)\n", count);
    closedir(dir);
}

static void streams(void) {
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        printf("line: %s\n", line);
    }
    FILE *file = fopen("/out.txt", "w+");
    fprintf(file, "%s %d %x\n", "text", -7, 255);
    rewind(file);
    fgets(line, sizeof line, file);
    char *rest;
    long number = strtol(line + 5, &rest, 10);
    printf("read back: %.4s %ld%s", line, number, rest);
    printf("end: %d\n", fgetc(file) == EOF && feof(file));
    fclose(file);
    file = fopen("/out.txt", "a");
    fputs("more", file);
    printf("appended at %ld\n", ftell(file));
    fclose(file);
    show("fopen of nothing", fopen("/none", "r") ? 0 : -1);
    show("fopen exclusively", fopen("/out.txt", "wx") ? 0 : -1);
}

static void descriptors(void) {
    int fd = open("data", O_CREAT | O_EXCL | O_RDWR, 0644);
    show("write", (int)write(fd, "0123456789", 10));
    show("pread", (int)pread(fd, (char[4]){0}, 4, 8));
    show("lseek", (int)lseek(fd, 5, SEEK_END));
    show("write past the end", (int)write(fd, "!", 1));
    struct stat status;
    fstat(fd, &status);
    printf("size %lld, regular %d, links %d\n", status.st_size, S_ISREG(status.st_mode), (int)status.st_nlink);
    show("ftruncate", ftruncate(fd, 4));
    show("posix_fallocate", posix_fallocate(fd, 0, 6));
    show("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
    show("fsync", fsync(fd));
    struct iovec vectors[] = {{"ab", 2}, {"cd", 2}};
    show("pwritev", (int)pwritev(fd, vectors, 2, 4));
    char all[16] = {0};
    pread(fd, all, 15, 0);
    printf("data: %s\n", all);
    show("append", fcntl(fd, F_SETFL, O_APPEND));
    show("flags", (fcntl(fd, F_GETFL) & O_APPEND) != 0);
    show("write to a reader", (int)write(open("data", O_RDONLY), "x", 1));
    show("a terminal", isatty(fd) || isatty(1));
    show("close", close(fd));
    show("close again", close(fd));
}

static void names(void) {
    show("mkdir", mkdir("dir", 0755));
    show("mkdir again", mkdir("dir", 0755));
    show("symlink", symlink("../data", "dir/link"));
    show("link", link("data", "dir/second"));
    show("rename", rename("data", "dir/data"));
    list("dir");
    list("/");
    char target[16] = {0};
    show("readlink", (int)readlink("dir/link", target, sizeof target - 1));
    printf("target: %s\n", target);
    struct stat status;
    show("stat of a dangling link", stat("dir/link", &status));
    show("lstat", lstat("dir/link", &status));
    printf("is a link: %d\n", S_ISLNK(status.st_mode));
    show("access", access("dir/data", R_OK | W_OK));
    show("rmdir of a full folder", rmdir("dir"));
    show("unlink of a folder", unlink("dir"));
    show("unlink", unlink("dir/link") + unlink("dir/data") + unlink("dir/second"));
    show("rmdir", rmdir("dir"));
    show("opening above the root", open("../up", O_RDONLY));
}

static void times(void) {
    time_t now = time(NULL);
    struct tm *date = gmtime(&now);
    printf("it is %d-%02d-%02d\n", date->tm_year + 1900, date->tm_mon + 1, date->tm_mday);
    struct timespec start, end, hour = {3600, 500000000};
    clock_gettime(CLOCK_MONOTONIC, &start);
    show("nanosleep", nanosleep(&hour, NULL));
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("slept %lld s\n", end.tv_sec - start.tv_sec);
    struct pollfd files[] = {{0, POLLIN, 0}, {1, POLLOUT, 0}, {99, POLLIN, 0}};
    int ready = poll(files, 3, 1000);
    printf("poll: %d ready, invalid %d\n", ready, (files[2].revents & POLLNVAL) != 0);
    show("poll of nothing", poll(NULL, 0, 2000));
    struct timespec marks[] = {{1, 2}, {3, 4}};
    show("utimensat", utimensat(AT_FDCWD, "/out.txt", marks, 0));
    struct stat status;
    stat("/out.txt", &status);
    printf("dated %lld.%09ld\n", status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        printf("argument: %s\n", argv[i]);
    }
    printf("LANGUAGE=%s\n", getenv("LANGUAGE"));
    streams();
    descriptors();
    names();
    times();
    fputs("to stderr", stderr);
    return 7;
}
