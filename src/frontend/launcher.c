// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bpf-iptables, bpf-ip6tables and their -save and -restore: run the distribution's iptables with
 * the preload library in it, and with the kernel's own tables locked away from it.
 *
 * ld.so only warns when a preload library cannot be loaded, and the command would then change the
 * kernel's firewall. So the library is looked at here first, and the system call guard stands
 * behind it.
 *
 * This program is executed once more for each command: it is linked statically, and does little.
 */
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "abi/control.h"
#include "common/cleanup.h"
#include "common/message.h"
#include "frontend/control_client.h"
#include "frontend/kernel_guard.h"
#include "frontend/preload_check.h"
#include "frontend/preload_version.h"

/*
 * Of iptables' exit codes (enum xtables_exittype) RESOURCE_PROBLEM, as for a lock that is held:
 * what the command needs is not there now. 1 would not do, as it is -C's "there is no such rule".
 */
#define EXIT_REFUSED 4

struct personality {
	const char *name;    /* under which the launcher is called */
	const char *program; /* what the multi-call binary is told to be */
	uint8_t family;
};

static const struct personality personalities[] = {
	{"bpf-iptables", "iptables", NFPROTO_IPV4},
	{"bpf-iptables-save", "iptables-save", NFPROTO_IPV4},
	{"bpf-iptables-restore", "iptables-restore", NFPROTO_IPV4},
	{"bpf-ip6tables", "ip6tables", NFPROTO_IPV6},
	{"bpf-ip6tables-save", "ip6tables-save", NFPROTO_IPV6},
	{"bpf-ip6tables-restore", "ip6tables-restore", NFPROTO_IPV6},
};

/* Where distributions put it. Not PATH: the caller's environment does not choose what root runs. */
static const char *const programs[] = {
	"/usr/sbin/xtables-legacy-multi",
	"/sbin/xtables-legacy-multi",
	"/usr/local/sbin/xtables-legacy-multi",
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A name without "bpf-" will do too, for those who put links named iptables in its place. */
static int find_personality(const char *called, struct personality *ret_personality,
			    struct message *message)
{
	const char *name = base_name(called);

	for (size_t i = 0; i < ARRAY_SIZE(personalities); i++) {
		if (strcmp(name, personalities[i].name) != 0 &&
		    strcmp(name, personalities[i].program) != 0)
			continue;
		*ret_personality = personalities[i];
		return 0;
	}
	return message_error(message, EINVAL, "called as %s, which is no iptables command", name);
}

static int find_program(const char **ret_program, struct message *message)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		if (access(programs[i], X_OK) != 0)
			continue;
		*ret_program = programs[i];
		return 0;
	}
	return message_error(message, ENOENT,
			     "no xtables-legacy-multi in /usr/sbin, /sbin or /usr/local/sbin: "
			     "install the distribution's iptables package");
}

/* The library beside this binary, as in a build directory, or else the installed one. */
static int find_library(char ret_path[static PATH_MAX], struct message *message)
{
	char path[PATH_MAX];
	ssize_t length;
	size_t directory;

	length = readlink("/proc/self/exe", path, sizeof(path));
	if (length < 0 || (size_t)length >= sizeof(path))
		return message_error(message, ENAMETOOLONG, "cannot tell its own path");
	path[length] = '\0';

	directory = (size_t)(base_name(path) - path);
	if (directory + sizeof(PRELOAD_LIBRARY_NAME) > sizeof(path))
		return message_error(message, ENAMETOOLONG, "its own path is too long");
	memcpy(path + directory, PRELOAD_LIBRARY_NAME, sizeof(PRELOAD_LIBRARY_NAME));
	if (access(path, F_OK) != 0)
		snprintf(path, sizeof(path), "%s/%s", PRELOAD_DIRECTORY, PRELOAD_LIBRARY_NAME);

	/* ld.so separates the entries of LD_PRELOAD by these. */
	if (strpbrk(path, " :"))
		return message_error(message, EINVAL,
				     "%s: a preload path cannot contain ' ' or ':'", path);
	memcpy(ret_path, path, sizeof(path));
	return 0;
}

/* Before the command changes anything anywhere: see that the daemon is there and understands us. */
static int check_daemon(struct control_client *client, uint8_t family, struct message *message)
{
	uint8_t in_use;
	struct control_call call = {
		.family = family,
		.operation = CONTROL_TABLE_IN_USE,
		.answer = &in_use,
		.answer_length = sizeof(in_use),
	};
	int ret;

	ret = control_client_open(client, message);
	/* Not root: iptables has its own words for that, and the library lets nothing through. */
	if (ret == -EACCES && geteuid() != 0)
		return 0;
	if (ret)
		return ret;

	ret = control_client_call(client, &call, message);
	if (ret && !message->text[0])
		message_error(message, -ret, "bpf-iptablesd refuses: %s", strerror(-ret));
	return ret;
}

/*
 * Help and version come without a daemon. An argument that only looks like one of these (a comment
 * "-h") costs nothing but this early check: the library refuses then.
 */
static bool needs_daemon(char *const arguments[])
{
	static const char *const informative[] = {"-h", "--help", "-V", "--version"};

	for (; *arguments; arguments++)
		for (size_t i = 0; i < ARRAY_SIZE(informative); i++)
			if (strcmp(*arguments, informative[i]) == 0)
				return false;
	return true;
}

static int set_preload(const char *library, struct message *message)
{
	const char *others = getenv("LD_PRELOAD");
	_cleanup_free_ char *value = NULL;

	if (asprintf(&value, others && *others ? "%s:%s" : "%s", library, others) < 0) {
		value = NULL;
		return message_error(message, ENOMEM, "out of memory");
	}
	if (setenv("LD_PRELOAD", value, 1) < 0)
		return message_error(message, errno, "cannot set LD_PRELOAD: %s", strerror(errno));
	return 0;
}

/* The connection that works is left open for the library. It is for this process only. */
static int hand_over(const struct control_client *client, struct message *message)
{
	char value[CONTROL_CLIENT_VARIABLE_SIZE];

	if (client->fd < 0)
		return 0;
	snprintf(value, sizeof(value), CONTROL_CLIENT_VARIABLE_FORMAT, (int)getpid(), client->fd);
	if (setenv(CONTROL_CLIENT_VARIABLE, value, 1) < 0 || fcntl(client->fd, F_SETFD, 0) < 0)
		return message_error(message, errno, "cannot hand the connection over: %s",
				     strerror(errno));
	return 0;
}

/* A closed standard stream would be the next file opened, and be written to by whoever prints. */
static int open_standard_streams(struct message *message)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return message_error(message, errno, "cannot open /dev/null: %s", strerror(errno));
	close(fd);
	return 0;
}

/* What is run, as what, with which library in it. */
struct launch {
	struct personality personality;
	const char *program;
	char library[PATH_MAX];
};

static int prepare(const char *called, struct launch *launch, struct message *message)
{
	int ret;

	/* ld.so drops such a preload path from the environment of a privileged program. */
	if (getauxval(AT_SECURE))
		return message_error(message, EPERM,
				     "may not run with setuid, setgid or file capabilities");

	ret = open_standard_streams(message);
	if (!ret)
		ret = find_personality(called, &launch->personality, message);
	if (!ret)
		ret = find_program(&launch->program, message);
	if (!ret)
		ret = find_library(launch->library, message);
	if (!ret)
		ret = preload_check(launch->library, message);
	return ret;
}

/* Returns only when it fails. */
static void run(const struct launch *launch, char *arguments[], struct message *message)
{
	struct control_client client = CONTROL_CLIENT_INIT;

	if (needs_daemon(arguments + 1) &&
	    check_daemon(&client, launch->personality.family, message))
		return;
	if (hand_over(&client, message) || set_preload(launch->library, message) ||
	    kernel_guard_install(message))
		return;

	arguments[0] = (char *)launch->personality.program;
	execv(launch->program, arguments);
	message_error(message, errno, "cannot run %s: %s", launch->program, strerror(errno));
}

int main(int argument_count, char *arguments[])
{
	struct message message = {};
	struct launch launch = {};

	if (argument_count < 1)
		return EXIT_REFUSED;

	if (prepare(arguments[0], &launch, &message) == 0)
		run(&launch, arguments, &message);
	fprintf(stderr, "%s: %s\n", control_client_name(launch.personality.family), message.text);
	return EXIT_REFUSED;
}
