// SPDX-License-Identifier: GPL-2.0-or-later
#include "frontend/module_loading.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

typedef int posix_spawn_function(pid_t *, const char *, const posix_spawn_file_actions_t *,
				 const posix_spawnattr_t *, char *const[], char *const[]);

/* The modprobe that was held back: the program, and the module. */
static struct {
	char program[PATH_MAX];
	char module[16];
} held_back;

static bool needed;

static posix_spawn_function *next_posix_spawn(void)
{
	return (posix_spawn_function *)dlsym(RTLD_NEXT, "posix_spawn");
}

/* libxtables' xtables_insmod() runs PROGRAM ip_tables [-q], with the kernel's or the user's
 * PROGRAM. */
static bool loads_tables(const char *program, char *const arguments[])
{
	if (!arguments || !arguments[0] || strcmp(arguments[0], program) != 0 || !arguments[1])
		return false;
	if (strcmp(arguments[1], "ip_tables") != 0 && strcmp(arguments[1], "ip6_tables") != 0)
		return false;
	return !arguments[2] || (strcmp(arguments[2], "-q") == 0 && !arguments[3]);
}

__attribute__((visibility("default"))) int
posix_spawn(pid_t *restrict ret_pid, const char *restrict program,
	    const posix_spawn_file_actions_t *restrict actions,
	    const posix_spawnattr_t *restrict attributes, char *const arguments[restrict],
	    char *const variables[restrict])
{
	posix_spawn_function *next = next_posix_spawn();

	if (!next)
		return ENOSYS;
	if (needed || !loads_tables(program, arguments))
		return next(ret_pid, program, actions, attributes, arguments, variables);

	snprintf(held_back.program, sizeof(held_back.program), "%s", program);
	snprintf(held_back.module, sizeof(held_back.module), "%s", arguments[1]);
	return ENOENT;
}

static bool run_held_back(void)
{
	char *arguments[] = {held_back.program, held_back.module, "-q", NULL};
	posix_spawn_function *next = next_posix_spawn();
	pid_t pid, ended;
	int status;

	fflush(stdout);
	if (!next || next(&pid, arguments[0], NULL, NULL, arguments, NULL) != 0)
		return false;
	do
		ended = waitpid(pid, &status, 0);
	while (ended < 0 && errno == EINTR);
	return ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool module_loading_needed(void)
{
	bool loaded = false;

	needed = true;
	if (held_back.module[0]) {
		loaded = run_held_back();
		held_back.module[0] = '\0';
	}
	return loaded;
}
