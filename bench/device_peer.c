// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * device_peer PROGRAM DEVICE: attaches a program of device_peers.bpf.c to the ingress of a device,
 * says "ready", and keeps it until its input ends. PROGRAM is xdp-drop, tc-drop, or xdp-block,
 * which drops packets from the IPv4 addresses that are the lines of the input up to an empty one.
 */
#include "abi/kernel_constants.h"
#include "device_peers.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SOURCES (1u << 20)

struct sources {
	struct in_addr *addresses; /* never freed */
	uint32_t count;
};

static int read_sources(struct sources *ret_sources)
{
	struct sources sources = {calloc(MAX_SOURCES, sizeof(*sources.addresses)), 0};
	char line[INET_ADDRSTRLEN + 1];

	if (!sources.addresses)
		return -ENOMEM;
	while (fgets(line, sizeof(line), stdin) && *line != '\n') {
		line[strcspn(line, "\n")] = '\0';
		if (sources.count == MAX_SOURCES ||
		    inet_pton(AF_INET, line, &sources.addresses[sources.count++]) != 1)
			return -EINVAL;
	}
	*ret_sources = sources;
	return sources.count ? 0 : -EINVAL;
}

static int block(const struct bpf_map *map, const struct sources *sources)
{
	__u64 packets = 0;

	for (uint32_t i = 0; i < sources->count; i++)
		if (bpf_map_update_elem(bpf_map__fd(map), &sources->addresses[i], &packets,
					BPF_ANY))
			return -errno;
	return 0;
}

static int load(struct device_peers_bpf *peers, bool blocks)
{
	struct sources sources = {NULL, 0};
	int error = blocks ? read_sources(&sources) : 0;

	if (!error && blocks)
		error = bpf_map__set_max_entries(peers->maps.blocked, sources.count);
	if (!error)
		error = device_peers_bpf__load(peers);
	return error ? error : block(peers->maps.blocked, &sources);
}

static int attach(const struct device_peers_bpf *peers, const char *program, const char *device)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	int ifindex = (int)if_nametoindex(device);
	int link;

	if (!strcmp(program, "tc-drop"))
		link = bpf_link_create(bpf_program__fd(peers->progs.bench_tc_drop), ifindex,
				       (enum bpf_attach_type)KERNEL_ATTACH_TYPE_TCX_INGRESS, NULL);
	else
		link = bpf_link_create(bpf_program__fd(!strcmp(program, "xdp-block")
							       ? peers->progs.bench_xdp_block
							       : peers->progs.bench_xdp_drop),
				       ifindex, BPF_XDP, &options);
	return link < 0 ? -errno : 0;
}

static int start(const char *program, const char *device)
{
	struct device_peers_bpf *peers = device_peers_bpf__open();
	int error = peers ? load(peers, !strcmp(program, "xdp-block")) : -errno;

	return error ? error : attach(peers, program, device);
}

int main(int count, char **arguments)
{
	int error;

	if (count != 3) {
		fprintf(stderr, "usage: device_peer xdp-drop|tc-drop|xdp-block DEVICE\n");
		return EXIT_FAILURE;
	}
	error = start(arguments[1], arguments[2]);
	if (error) {
		fprintf(stderr, "device_peer: %s on %s: %s\n", arguments[1], arguments[2],
			strerror(-error));
		return EXIT_FAILURE;
	}
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return EXIT_SUCCESS;
}
