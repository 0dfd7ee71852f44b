// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * image_size: what the rulesets that a daemon has in force take of the arena.
 *
 *   image_size PID
 *
 * Prints a line for each family and hook: IPv4 or IPv6, the hook, and the numbers of rules with
 * their alternatives, of fields, of bytes of the image and of bytes of the counters.
 */
#include "abi/arena.h"
#include "abi/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const families[] = {[ARENA_IPV4] = "IPv4", [ARENA_IPV6] = "IPv6"};
static const char *const hooks[] = {
	[ARENA_INPUT] = "INPUT",
	[ARENA_FORWARD] = "FORWARD",
	[ARENA_OUTPUT] = "OUTPUT",
};

static int read_arena(int memory, __u64 position, void *to, size_t size)
{
	ssize_t got = pread(memory, to, size, (off_t)(ARENA_ADDRESS + position));

	if (got == (ssize_t)size)
		return 0;
	fprintf(stderr, "image_size: the arena cannot be read: %s\n",
		got < 0 ? strerror(errno) : "it ends too early");
	return -EIO;
}

static int print_family(int memory, const struct arena_root *root, int family)
{
	struct arena_generation generation;
	int error = 0;

	if (!root->current[family])
		return 0;
	/* The lowest bits are the parity. */
	error = read_arena(memory, root->current[family] & ~1ull, &generation, sizeof(generation));
	for (int hook = 0; hook < ARENA_HOOKS && !error; hook++) {
		unsigned long long counters =
			(root->lanes + 1ull) * generation.hook[hook].counters_stride;
		struct image image;

		error = read_arena(memory, generation.hook[hook].image, &image, sizeof(image));
		if (!error)
			printf("%s %s %u %u %u %llu\n", families[family], hooks[hook], image.n_bits,
			       image.n_fields, image.size, counters);
	}
	return error;
}

int main(int count, char **arguments)
{
	struct arena_root root;
	char path[64];
	int memory, error;

	if (count != 2) {
		fprintf(stderr, "usage: image_size PID\n");
		return EXIT_FAILURE;
	}
	snprintf(path, sizeof(path), "/proc/%d/mem", atoi(arguments[1]));
	memory = open(path, O_RDONLY | O_CLOEXEC);
	if (memory < 0) {
		fprintf(stderr, "image_size: %s: %s\n", path, strerror(errno));
		return EXIT_FAILURE;
	}
	error = read_arena(memory, 0, &root, sizeof(root));
	if (!error && root.layout != ARENA_LAYOUT) {
		fprintf(stderr, "image_size: the arena has another layout\n");
		error = -EPROTO;
	}
	for (int family = 0; family < ARENA_FAMILIES && !error; family++)
		error = print_family(memory, &root, family);
	close(memory);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
