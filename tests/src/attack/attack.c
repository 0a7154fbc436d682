/* What a maintainer script that means harm tries, and what it finds outside.
 *
 * launch DIRECTORY PROGRAM...  makes things of the user that a script must not reach, runs the program with descriptors
 *                              and a session keyring of the caller's, and says on standard error what has changed
 * victim                       a process of the user
 * probe [DIRECTORY]            tries to reach all that, and prints a line for each attempt
 * process1                     tries to change process 1
 * connections NUMBER           holds connections with the installer, in the background
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define KEY "rootless-install-attack"
#define SHARED 0x52494154
#define FILE_OF_MEMORY "/dev/shm/rootless-install-attack"
#define CONTROL "/.rootless-install/control"
#define CONTROL_LINE 0x5249
#define SESSION -3L

static long key(long operation, long a, const void *b, const void *c, long d)
{
	return syscall(SYS_keyctl, operation, a, b, c, d);
}

static void say(const char *name, long result)
{
	printf("%s %s\n", name, result >= 0 ? "done" : strerrorname_np(errno));
	fflush(stdout);
}

static socklen_t address(struct sockaddr_un *to, const char *path, int abstract)
{
	memset(to, 0, sizeof *to);
	to->sun_family = AF_UNIX;
	strncpy(to->sun_path + abstract, path, sizeof to->sun_path - 2);
	return offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path);
}

static long connect_to(const char *path, int abstract, int kind)
{
	struct sockaddr_un to;
	socklen_t length = address(&to, path, abstract);
	int made = socket(AF_UNIX, kind, 0);
	return made < 0 ? made : connect(made, (void *)&to, length);
}

/* ---- outside ---- */

static int listen_at(const char *path, int abstract)
{
	struct sockaddr_un to;
	socklen_t length = address(&to, path, abstract);
	int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(made, (void *)&to, length) || listen(made, 9))
		perror("launch: listen");
	return made;
}

static void changed(int is, const char *what)
{
	if (is)
		fprintf(stderr, "changed: %s\n", what);
}

static int launch(const char *self, char **arguments)
{
	char name[200], value[20] = "";
	snprintf(name, sizeof name, "%s/victim", arguments[0]);
	int file = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	struct stat before, after;
	if (file < 0 || write(file, "kept", 4) != 4 || fstat(file, &before))
		perror("launch: file");
	/* Of a path that a socket's address can hold. */
	if (chdir(arguments[0]))
		perror("launch: directory");
	int named = listen_at("victim.socket", 0), abstract = listen_at(KEY, 1);
	int shared = shmget(SHARED, 4096, IPC_CREAT | 0600);
	close(open(FILE_OF_MEMORY, O_CREAT | O_RDWR, 0600));
	key(1, 0, 0, 0, 0);
	long secret = syscall(SYS_add_key, "user", KEY, "kept", 4L, SESSION);
	pid_t victim = fork();
	if (!victim) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(self, "attack", "victim", NULL);
		_exit(1);
	}
	struct rlimit limit_before, limit_after;
	prlimit(victim, RLIMIT_NOFILE, NULL, &limit_before);
	int priority = getpriority(PRIO_PROCESS, victim);
	cpu_set_t cpus_before, cpus_after;
	sched_getaffinity(victim, sizeof cpus_before, &cpus_before);
	pid_t program = fork();
	if (!program) {
		int pair[2];
		dup2(open("/", O_RDONLY), 9);
		dup2(open("outside", O_CREAT | O_RDWR, 0600), 88);
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			perror("launch: pair");
		execv(arguments[1], arguments + 1);
		_exit(127);
	}
	int status = 0;
	waitpid(program, &status, 0);
	fstat(file, &after);
	changed(before.st_mode != after.st_mode, "mode");
	changed(before.st_ctim.tv_sec != after.st_ctim.tv_sec || before.st_ctim.tv_nsec != after.st_ctim.tv_nsec, "file");
	changed(accept(named, NULL, NULL) >= 0, "socket");
	changed(accept(abstract, NULL, NULL) >= 0, "abstract socket");
	prlimit(victim, RLIMIT_NOFILE, NULL, &limit_after);
	changed(limit_before.rlim_max != limit_after.rlim_max, "limits");
	sched_getaffinity(victim, sizeof cpus_after, &cpus_after);
	changed(!CPU_EQUAL(&cpus_before, &cpus_after), "processors");
	changed(getpriority(PRIO_PROCESS, victim) != priority, "priority");
	changed(waitpid(victim, NULL, WNOHANG) != 0, "process");
	changed(key(11, secret, value, (void *)19L, 0) != 4 || strcmp(value, "kept"), "key");
	changed(key(10, SESSION, "user", KEY "-planted", 0) > 0, "keyring");
	struct shmid_ds state;
	changed(!shmctl(shared, IPC_STAT, &state) && state.shm_lpid, "shared memory");
	kill(victim, SIGKILL);
	shmctl(shared, IPC_RMID, NULL);
	unlink(FILE_OF_MEMORY);
	fprintf(stderr, "launched and looked\n");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* ---- inside ---- */

static pid_t find_victim(void)
{
	DIR *all = opendir("/proc");
	struct dirent *one;
	pid_t found = 0;
	while (all && !found && (one = readdir(all))) {
		char path[300], line[40] = "";
		snprintf(path, sizeof path, "/proc/%s/cmdline", one->d_name);
		int file = atoi(one->d_name) ? open(path, O_RDONLY) : -1;
		if (file < 0)
			continue;
		if (read(file, line, sizeof line - 1) == 14 && !memcmp(line, "attack\0victim", 14))
			found = atoi(one->d_name);
		close(file);
	}
	if (all)
		closedir(all);
	return found;
}

static void descriptors(void)
{
	printf("descriptors");
	for (int number = 0; number < 300; number++)
		if (fcntl(number, F_GETFD) >= 0)
			printf(" %d", number);
	puts("");
}

static void families(void)
{
	printf("families");
	for (int family = 0; family < 50; family++)
		for (int kind = 1; kind < 6; kind++) {
			int made = socket(family, kind, 0);
			if (made < 0)
				continue;
			printf(" %d", family);
			close(made);
			break;
		}
	puts("");
}

#ifdef __x86_64__
static long old_call(long number, long a, long b, long c)
{
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "r8", "r9", "r10", "r11", "memory");
	return result;
}

/* The ways of 32-bit programs to a socket of the family AF_VSOCK. */
static void old_sockets(void)
{
	fflush(stdout);
	int status;
	pid_t child = fork();
	if (!child) {
		int *arguments = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		arguments[0] = AF_VSOCK;
		arguments[1] = SOCK_STREAM;
		int found = old_call(102, 1, (long)arguments, 0) >= 0;
		found |= old_call(359, AF_VSOCK, SOCK_STREAM, 0) >= 0;
		found |= old_call(102, 8, (long)arguments, 0) >= 0;
		found |= syscall(0x40000000 | SYS_socket, AF_VSOCK, SOCK_STREAM, 0) >= 0;
		_exit(found);
	}
	waitpid(child, &status, 0);
	printf("old sockets %s\n", WIFEXITED(status) && WEXITSTATUS(status) ? "made" : "none");
}
#else
static void old_sockets(void)
{
	puts("old sockets none");
}
#endif

static void keys(void)
{
	char value[20] = "";
	long secret = key(10, SESSION, "user", KEY, 0);
	say("key", secret);
	if (secret > 0 && key(11, secret, value, (void *)19L, 0) > 0)
		key(2, secret, "evil", (void *)4L, 0);
	long planted = syscall(SYS_add_key, "user", KEY "-planted", "own", 3L, SESSION);
	printf("own key %s\n", planted > 0 && key(11, planted, value, (void *)19L, 0) == 3 ? "kept" : "none");
}

static void probe(const char *directory)
{
	char file[300], link[300];
	descriptors();
	families();
	old_sockets();
	keys();
	say("io_uring", syscall(SYS_io_uring_setup, 1, file));
	say("abstract", connect_to(KEY, 1, SOCK_STREAM));
	say("shared", shmget(SHARED, 0, 0));
	say("memory", open(FILE_OF_MEMORY, O_RDONLY));
	if (!directory)
		return;
	snprintf(file, sizeof file, "%s/victim", directory);
	snprintf(link, sizeof link, "%s/victim.socket", directory);
	struct timespec times[2] = {{1, 0}, {1, 0}};
	say("chmod", chmod(file, 06777));
	say("fchmodat", fchmodat(AT_FDCWD, file, 0777, 0));
	say("chown", chown(file, -1, getegid()));
	say("utimes", utimensat(AT_FDCWD, file, times, 0));
	say("setxattr", setxattr(file, "user.evil", "1", 1, 0));
	say("truncate", truncate(file, 0));
	say("socket", connect_to(link, 0, SOCK_STREAM));
	say("datagram", connect_to(link, 0, SOCK_DGRAM));
	pid_t victim = find_victim();
	struct rlimit limit = {7, 7};
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	printf("victim %s\n", victim ? "seen" : "unseen");
	say("prlimit", prlimit(victim, RLIMIT_NOFILE, &limit, NULL));
	say("setpriority", setpriority(PRIO_PROCESS, victim, 19));
	say("setpriority user", setpriority(PRIO_USER, 0, 19));
	say("sched_setaffinity", sched_setaffinity(victim, sizeof cpus, &cpus));
	say("kill", kill(victim, SIGKILL));
	say("ptrace", ptrace(PTRACE_SEIZE, victim, NULL, NULL));
}

static void process1(void)
{
	struct rlimit limit = {0, 0};
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	say("prlimit", prlimit(1, RLIMIT_NOFILE, &limit, NULL));
	say("prlimit", prlimit(1, RLIMIT_CPU, &limit, NULL));
	say("setpriority", setpriority(PRIO_PROCESS, 1, 19));
	say("setpriority user", setpriority(PRIO_USER, 0, 19));
	say("sched_setaffinity", sched_setaffinity(1, sizeof cpus, &cpus));
	say("ptrace", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
	say("memory", open("/proc/1/mem", O_RDWR));
	say("descriptors", opendir("/proc/1/fd") ? 0 : -1);
	say("environment", open("/proc/1/environ", O_RDONLY));
	say("keyring", key(18, 0, NULL, NULL, 0));
	for (int number = 1; number < 65; number++)
		kill(1, number);
}

static void connections(int wanted)
{
	int held = 0;
	for (int number = 0; number < wanted; number++) {
		if (!connect_to(CONTROL, 0, SOCK_STREAM | SOCK_NONBLOCK) || socket(AF_UNIX, SOCK_STREAM, CONTROL_LINE) >= 0)
			held++;
	}
	printf("connections %s\n", held ? "held" : "none");
	fflush(stdout);
	if (fork())
		return;
	setsid();
	for (int number = 0; number < 3; number++)
		close(number);
	sleep(600);
}

int main(int count, char **arguments)
{
	const char *what = count > 1 ? arguments[1] : "";
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "launch") && count > 3)
		return launch(arguments[0], arguments + 2);
	if (!strcmp(what, "victim"))
		sleep(600);
	else if (!strcmp(what, "probe"))
		probe(arguments[2]);
	else if (!strcmp(what, "process1"))
		process1();
	else if (!strcmp(what, "connections") && count > 2)
		connections(atoi(arguments[2]));
	else
		return 2;
	return 0;
}
