// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/recent_lists.h"

#include "abi/match_state.h"
#include "common/cleanup.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/netfilter/xt_recent.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

/* A list's memory is there from the beginning. */
#define MAX_LIST_SIZE ((uint64_t)64 << 20)

/* xt_recent.c: what its module's parameters are if it is not there. */
#define DEFAULT_ADDRESSES 100u
#define DEFAULT_STAMPS    32u

struct list {
	char name[XT_RECENT_NAME_LEN];
	uint32_t references; /* matches of rules */
	struct arena_block cell;
	struct arena_block block; /* struct recent_list */
};

struct recent_lists {
	struct arena_memory *memory;
	int program_fd;
	struct list **lists;
	uint32_t n_lists;
	/* The module's parameters. */
	uint32_t max_addresses;
	uint32_t min_stamps; /* 0: as many as the rule needs */
};

/* A parameter of the kernel's module, so that lists are as long as the kernel's. */
static uint32_t module_parameter(const char *name, uint32_t missing)
{
	char path[96];
	_cleanup_fclose_ FILE *file = NULL;
	uint32_t value;

	snprintf(path, sizeof(path), "/sys/module/xt_recent/parameters/%s", name);
	file = fopen(path, "re");
	return file && fscanf(file, "%u", &value) == 1 ? value : missing;
}

int recent_lists_new(struct arena_memory *memory, int program_fd, struct recent_lists **ret_lists,
		     struct message *message)
{
	struct recent_lists *lists = calloc(1, sizeof(*lists));

	if (!lists)
		return message_error(message, ENOMEM, "out of memory");
	lists->memory = memory;
	lists->program_fd = program_fd;
	lists->max_addresses = module_parameter("ip_list_tot", DEFAULT_ADDRESSES);
	lists->min_stamps = module_parameter("ip_pkt_list_tot", 0);
	*ret_lists = lists;
	return 0;
}

static void free_list(const struct recent_lists *lists, struct list *list)
{
	arena_memory_release(lists->memory, list->cell);
	arena_memory_release(lists->memory, list->block);
	free(list);
}

void recent_lists_free(struct recent_lists *lists)
{
	if (!lists)
		return;
	for (uint32_t i = 0; i < lists->n_lists; i++)
		free_list(lists, lists->lists[i]);
	free(lists->lists);
	free(lists);
}

/* Has the program do something with @list, which it must be alone with. */
static int run(const struct recent_lists *lists, const struct list *list,
	       struct recent_request *request, struct message *message)
{
	/* A program of this type writes to what it is given. */
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = request, .ctx_size_in = sizeof(*request));

	request->cell = (uint32_t)list->cell.position;
	if (bpf_prog_test_run_opts(lists->program_fd, &options))
		request->result = -errno;
	if (request->result)
		return message_error(message, EIO, "cannot use the list \"%s\": %s", list->name,
				     strerror(-request->result));
	return 0;
}

/* The least power of two that is not below @number, which is not 0. */
static uint32_t round_up(uint32_t number)
{
	return number == 1 ? 1 : 1u << (32 - __builtin_clz(number - 1));
}

/* recent_mt_check(): times that are remembered of an address for the sake of @rule. */
static uint32_t stamps_of(const struct recent_lists *lists, const struct xt_recent_mtinfo_v1 *rule)
{
	if (lists->min_stamps && rule->hit_count < lists->min_stamps)
		return round_up(lists->min_stamps);
	return rule->hit_count ? round_up(rule->hit_count) : DEFAULT_STAMPS;
}

/* An empty list. */
static int make_block(struct recent_lists *lists, const char *name, uint32_t n_stamps,
		      struct arena_block *ret_block, struct message *message)
{
	/* 1 << fls(), as in recent_mt_init() */
	uint64_t n_buckets = 2ull << (31 - __builtin_clz(lists->max_addresses | 1));
	uint64_t first = (sizeof(struct recent_list) + n_buckets * sizeof(uint32_t) + 7) & ~7ull;
	uint64_t entry_size = sizeof(struct recent_entry) + n_stamps * sizeof(uint64_t);
	uint64_t size = first + entry_size * lists->max_addresses;
	struct recent_list *list;

	if (size > MAX_LIST_SIZE)
		return message_error(message, E2BIG,
				     "%u times of each of %u addresses in list \"%s\" (parameter "
				     "ip_list_tot of xt_recent) are too much: %llu MiB",
				     n_stamps, lists->max_addresses, name,
				     (unsigned long long)size >> 20);
	if (arena_memory_take(lists->memory, size, ret_block))
		return message_error(message, ENOMEM, "the arena has no room for list \"%s\"",
				     name);
	list = arena_memory_at(lists->memory, ret_block->position);
	memset(list, 0, ret_block->size);
	list->size = size;
	list->first_entry = (uint32_t)first;
	list->entry_size = (uint32_t)entry_size;
	list->max_entries = lists->max_addresses;
	list->stamp_mask = n_stamps - 1;
	list->bucket_mask = (uint32_t)n_buckets - 1;
	if (getrandom(&list->seed, sizeof(list->seed), GRND_NONBLOCK) < 0)
		list->seed = ret_block->position;
	return 0;
}

static struct recent_list *list_at(const struct recent_lists *lists, const struct list *list)
{
	return arena_memory_at(lists->memory, list->block.position);
}

static struct list *find_list(const struct recent_lists *lists, const char *name)
{
	for (uint32_t i = 0; i < lists->n_lists; i++)
		if (strcmp(lists->lists[i]->name, name) == 0)
			return lists->lists[i];
	return NULL;
}

/* The list of a name that there is none of yet; nobody refers to it. */
static int add_list(struct recent_lists *lists, const struct xt_recent_mtinfo_v1 *rule,
		    struct list **ret_list, struct message *message)
{
	struct list **larger =
		reallocarray(lists->lists, lists->n_lists + 1ull, sizeof(struct list *));
	struct list *list = calloc(1, sizeof(*list));
	struct recent_list *block;
	int error;

	if (larger)
		lists->lists = larger;
	if (!larger || !list ||
	    arena_memory_take(lists->memory, sizeof(struct match_recent), &list->cell)) {
		free(list);
		return message_error(message, ENOMEM, "out of memory");
	}
	memcpy(list->name, rule->name, sizeof(list->name));
	error = make_block(lists, list->name, stamps_of(lists, rule), &list->block, message);
	if (error) {
		free_list(lists, list);
		return error;
	}
	block = list_at(lists, list);
	block->mask_high = (uint64_t)ntohl(rule->mask.all[0]) << 32 | ntohl(rule->mask.all[1]);
	block->mask_low = (uint64_t)ntohl(rule->mask.all[2]) << 32 | ntohl(rule->mask.all[3]);
	*(struct match_recent *)arena_memory_at(lists->memory, list->cell.position) =
		(struct match_recent){.list = (uint32_t)list->block.position};
	lists->lists[lists->n_lists++] = list;
	*ret_list = list;
	return 0;
}

/* An empty list in the place of @list, whose rules may be in force. */
static int renew(struct recent_lists *lists, struct list *list, uint32_t n_stamps,
		 struct message *message)
{
	struct recent_request request = {.operation = RECENT_LIST_MOVE};
	struct recent_list *block;
	struct arena_block fresh = {};
	int error = make_block(lists, list->name, n_stamps, &fresh, message);

	if (error)
		return error;
	block = arena_memory_at(lists->memory, fresh.position);
	block->mask_high = list_at(lists, list)->mask_high;
	block->mask_low = list_at(lists, list)->mask_low;
	request.list = (uint32_t)fresh.position;
	error = run(lists, list, &request, message);
	/* Who had the lock before has done with the old one, and whoever gets it finds the new. */
	arena_memory_release(lists->memory, error ? fresh : list->block);
	if (!error)
		list->block = fresh;
	return error;
}

int recent_lists_take(struct recent_lists *lists, const struct xt_recent_mtinfo_v1 *rule,
		      uint32_t *ret_position, struct message *message)
{
	struct list *list = find_list(lists, rule->name);
	int error = 0;

	if (!list)
		error = add_list(lists, rule, &list, message);
	else if (stamps_of(lists, rule) > list_at(lists, list)->stamp_mask + 1)
		error = renew(lists, list, stamps_of(lists, rule), message);
	if (error)
		return error;
	list->references++;
	*ret_position = (uint32_t)list->cell.position;
	return 0;
}

void recent_lists_release(struct recent_lists *lists, uint32_t position)
{
	uint32_t i = 0;

	while (lists->lists[i]->cell.position != position)
		i++;
	if (--lists->lists[i]->references)
		return;
	free_list(lists, lists->lists[i]);
	lists->n_lists--;
	memmove(&lists->lists[i], &lists->lists[i + 1],
		(lists->n_lists - i) * sizeof(struct list *));
}

const char *recent_lists_name(const struct recent_lists *lists, uint32_t index)
{
	return index < lists->n_lists ? lists->lists[index]->name : NULL;
}

static int named_list(const struct recent_lists *lists, const char *name, struct list **ret_list,
		      struct message *message)
{
	*ret_list = find_list(lists, name);
	if (!*ret_list)
		return message_error(message, ENOENT, "no rule has a list \"%s\"", name);
	return 0;
}

/* recent_seq_show() */
static void print_entry(FILE *stream, const struct recent_list *list,
			const struct recent_entry *entry)
{
	if (entry->family == NFPROTO_IPV4) {
		fprintf(stream, "src=%u.%u.%u.%u", (uint8_t)(entry->low >> 24),
			(uint8_t)(entry->low >> 16), (uint8_t)(entry->low >> 8),
			(uint8_t)entry->low);
	} else {
		for (int i = 0; i < 8; i++)
			fprintf(stream, "%s%04x", i ? ":" : "src=",
				(uint16_t)((i < 4 ? entry->high : entry->low) >>
					   (48 - 16 * (i % 4))));
	}
	fprintf(stream, " ttl: %u last_seen: %llu oldest_pkt: %u", entry->ttl,
		entry->stamp[(entry->index - 1) & list->stamp_mask], entry->index);
	for (uint32_t i = 0; i < entry->n_stamps; i++)
		fprintf(stream, "%s %llu", i ? "," : "", entry->stamp[i]);
	fputc('\n', stream);
}

static int print_list(const struct recent_list *list, char **ret_text)
{
	size_t size = 0;
	FILE *stream = open_memstream(ret_text, &size);
	uint32_t position;

	if (!stream)
		return -ENOMEM;
	for (position = list->oldest; position;) {
		const struct recent_entry *entry = (const void *)((const uint8_t *)list + position);

		print_entry(stream, list, entry);
		position = entry->newer;
	}
	return fclose(stream) ? -ENOMEM : 0;
}

int recent_lists_read(struct recent_lists *lists, const char *name, char **ret_text,
		      struct message *message)
{
	struct recent_request request = {.operation = RECENT_LIST_COPY};
	struct arena_block copy;
	struct list *list;
	int error = named_list(lists, name, &list, message);

	if (error)
		return error;
	if (arena_memory_take(lists->memory, list->block.size, &copy))
		return message_error(message, ENOMEM, "the arena has no room for a copy");
	/* Pages that user space has not touched would swallow what the program writes. */
	memset(arena_memory_at(lists->memory, copy.position), 0, copy.size);
	request.list = (uint32_t)copy.position;
	error = run(lists, list, &request, message);
	if (!error && print_list(arena_memory_at(lists->memory, copy.position), ret_text))
		error = message_error(message, ENOMEM, "out of memory");
	arena_memory_release(lists->memory, copy);
	return error;
}

static bool parse_address(const char *text, struct recent_request *request)
{
	char address[INET6_ADDRSTRLEN];
	size_t length = strcspn(text, "\n");
	struct in6_addr ipv6;
	struct in_addr ipv4;

	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	if (inet_pton(AF_INET, address, &ipv4) == 1) {
		request->family = NFPROTO_IPV4;
		request->low = ntohl(ipv4.s_addr);
		return true;
	}
	if (inet_pton(AF_INET6, address, &ipv6) != 1)
		return false;
	request->family = NFPROTO_IPV6;
	request->high = (uint64_t)ntohl(ipv6.s6_addr32[0]) << 32 | ntohl(ipv6.s6_addr32[1]);
	request->low = (uint64_t)ntohl(ipv6.s6_addr32[2]) << 32 | ntohl(ipv6.s6_addr32[3]);
	return true;
}

/* recent_mt_proc_write() */
int recent_lists_write(struct recent_lists *lists, const char *name, const char *command,
		       struct message *message)
{
	struct recent_request request = {};
	struct list *list;
	int error = named_list(lists, name, &list, message);

	if (error)
		return error;
	if (command[0] == '/')
		return renew(lists, list, list_at(lists, list)->stamp_mask + 1, message);
	if (command[0] == '+' || command[0] == '-') {
		request.operation = command[0] == '+' ? RECENT_LIST_ADD : RECENT_LIST_REMOVE;
		if (!parse_address(command + 1, &request))
			return message_error(message, EINVAL, "\"%s\" is no address", command + 1);
	} else {
		return message_error(message, EINVAL,
				     "\"+address\", \"-address\" or \"/\" is needed");
	}
	return run(lists, list, &request, message);
}
