// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath/delegation_chains.h"

#include "common/cleanup.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_bpf.h>
#include <string.h>
#include <sys/syscall.h>

#define TABLE_NAME "bpf-iptables-targets"
#define COMMENT    "bpf-iptablesd: what its rules delegate to the kernel"

#define MAX_ACTIONS (1u << DOCKET_BITS)

#define MATCH_BPF_REVISION 1

static const struct {
	uint32_t number;
	const char *name;
} hooks[] = {
	{NF_INET_LOCAL_IN, "input"},
	{NF_INET_FORWARD, "forward"},
	{NF_INET_LOCAL_OUT, "output"},
};

static size_t payload_size(const struct extension *extension)
{
	return XT_ALIGN((size_t)extension->size);
}

static bool is_same(const struct delegated_action *action, const struct delegate *delegate)
{
	return action->extension == delegate->extension &&
	       action->context.protocol == delegate->context.protocol &&
	       action->context.protocol_inverted == delegate->context.protocol_inverted &&
	       memcmp(action->payload, delegate->payload, delegate->extension->size) == 0;
}

static uint32_t find_action(const struct delegation_chains *chains, const struct delegate *delegate)
{
	for (uint32_t i = DOCKET_DROP + 1; i < MAX_ACTIONS; i++)
		if (chains->actions[i].extension && is_same(&chains->actions[i], delegate))
			return i;
	return 0;
}

static uint32_t find_free(struct delegation_chains *chains)
{
	for (uint32_t i = 0; i < MAX_ACTIONS - 1; i++) {
		uint32_t number = DOCKET_DROP + 1 + (chains->next + i) % (MAX_ACTIONS - 1);

		if (!chains->actions[number].extension) {
			chains->next = number;
			return number;
		}
	}
	return 0;
}

static int fill_action(struct delegated_action *action, const struct delegate *delegate)
{
	size_t size = payload_size(delegate->extension);

	action->payload = calloc(1, size ? size : 1);
	if (!action->payload)
		return -ENOMEM;
	memcpy(action->payload, delegate->payload, delegate->extension->size);
	action->extension = delegate->extension;
	action->context = delegate->context;
	return 0;
}

static void free_action(struct delegated_action *action)
{
	free(action->payload);
	*action = (struct delegated_action){};
}

int delegation_chains_add(struct delegation_chains *chains, struct delegate *delegate,
			  struct message *message)
{
	struct delegated_action *action;
	uint32_t number;

	if (!chains->actions)
		chains->actions = calloc(MAX_ACTIONS, sizeof(*chains->actions));
	if (!chains->actions)
		return message_error(message, ENOMEM, "out of memory");
	number = find_action(chains, delegate);
	if (!number) {
		number = find_free(chains);
		if (!number)
			return message_error(message, E2BIG,
					     "more than %u targets for the kernel are in use",
					     MAX_ACTIONS - 1);
		if (fill_action(&chains->actions[number], delegate))
			return message_error(message, ENOMEM, "out of memory");
		chains->changed = true;
	}
	action = &chains->actions[number];
	if (delegate->context.hooks & ~action->context.hooks) {
		action->context.hooks |= delegate->context.hooks;
		chains->changed = true;
	}
	action->users++;
	delegate->number = (uint16_t)number;
	return 0;
}

/* The action stays in the tree until that is made anew: packets may be on their way to it. */
void delegation_chains_remove(struct delegation_chains *chains, uint32_t number)
{
	chains->actions[number].users--;
}

/* What is delegated no more can only be forgotten when no packet is on its way to it. */
static bool await_packets(void)
{
	/* It waits for an RCU grace period, unless there is a single CPU. */
	return sysconf(_SC_NPROCESSORS_ONLN) > 1 &&
	       !syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static void forget_unused(struct delegation_chains *chains)
{
	bool found = false;

	for (uint32_t i = 0; i < MAX_ACTIONS && !found; i++)
		found = chains->actions[i].extension && !chains->actions[i].users;
	if (!found || !await_packets())
		return;
	for (uint32_t i = 0; i < MAX_ACTIONS; i++)
		if (chains->actions[i].extension && !chains->actions[i].users)
			free_action(&chains->actions[i]);
}

/* The transaction that makes a tree. */
struct planting {
	struct delegation_chains *chains;
	struct nft_transaction transaction;
	char (*nodes)[32]; /* of the new tree */
	uint32_t n_nodes;
	uint32_t max_nodes;
	bool failed;
};

static void put_condition(struct nft_rule *rule, int program)
{
	struct xt_bpf_info_v1 info = {
		.mode = XT_BPF_MODE_FD_ELF,
		.fd = program,
	};

	nft_put_match(rule, "bpf", MATCH_BPF_REVISION, &info, XT_ALIGN(sizeof(info)));
}

/* "@program: @verdict (@target)"; @program -1: in any case. */
static void put_rule(struct nft_transaction *transaction, const char *chain, int program,
		     int verdict, const char *target)
{
	struct nft_rule rule;

	nft_begin_rule(transaction, chain, &rule);
	if (program >= 0)
		put_condition(&rule, program);
	nft_put_verdict(&rule, verdict, target);
	nft_end_rule(&rule);
}

static void put_target(struct nft_rule *rule, const struct delegated_action *action)
{
	const struct extension *extension = action->extension;
	struct rejection rejection;

	if (!extension->reject) {
		nft_put_target(rule, extension->name, extension->revision, action->payload,
			       payload_size(extension));
		nft_put_protocol(rule, action->context.protocol, action->context.protocol_inverted);
		return;
	}
	extension->reject(&action->context, action->payload, &rejection);
	if (rejection.silent)
		nft_put_verdict(rule, NF_DROP, NULL);
	else
		nft_put_reject(rule, rejection.type, rejection.icmp_code);
}

/* The rules that do action number @number. */
static void put_action(struct planting *planting, const char *chain, uint32_t number)
{
	struct delegation_chains *chains = planting->chains;
	struct delegated_action *action = &chains->actions[number];
	struct nft_rule rule;

	if (number == DOCKET_DROP) {
		put_rule(&planting->transaction, chain, chains->programs.last, NF_DROP, NULL);
		return;
	}
	action->change = planting->transaction.sequence;
	nft_begin_rule(&planting->transaction, chain, &rule);
	if (action->extension->delegation == DELEGATION_ENDS)
		put_condition(&rule, chains->programs.last);
	put_target(&rule, action);
	nft_end_rule(&rule);
	if (action->extension->delegation == DELEGATION_ENDS)
		put_rule(&planting->transaction, chain, -1, NF_DROP, NULL);
}

static const char *new_node(struct planting *planting, const char *hook)
{
	char(*node)[32];

	if (planting->n_nodes == planting->max_nodes) {
		uint32_t max = planting->max_nodes * 2 + 16;
		char(*nodes)[32] = reallocarray(planting->nodes, max, sizeof(*nodes));

		if (!nodes) {
			planting->failed = true;
			return NULL;
		}
		planting->nodes = nodes;
		planting->max_nodes = max;
	}
	node = &planting->nodes[planting->n_nodes];
	snprintf(*node, sizeof(*node), "%s-%u-%u", hook, planting->chains->version,
		 planting->n_nodes);
	planting->n_nodes++;
	nft_new_chain(&planting->transaction, *node);
	return *node;
}

/* Those of @numbers whose bit @bit is not set come first. Returns how many. */
static uint32_t split(uint32_t *numbers, uint32_t n, uint32_t bit)
{
	uint32_t clear = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t number = numbers[i];

		if (number >> bit & 1)
			continue;
		numbers[i] = numbers[clear];
		numbers[clear++] = number;
	}
	return clear;
}

/* Into @chain what finds and does one of the actions @numbers, which differ from bit @bit on. */
static void plant(struct planting *planting, const char *hook, const char *chain, uint32_t *numbers,
		  uint32_t n, uint32_t bit)
{
	char set[32], clear[32];
	const char *node;
	uint32_t n_clear;

	if (n == 1) {
		put_action(planting, chain, numbers[0]);
		return;
	}
	while ((n_clear = split(numbers, n, bit)) == 0 || n_clear == n)
		bit++;
	/* The array of names may move. */
	node = new_node(planting, hook);
	if (!node)
		return;
	strcpy(set, node);
	node = new_node(planting, hook);
	if (!node)
		return;
	strcpy(clear, node);
	put_rule(&planting->transaction, chain, planting->chains->programs.bit[bit], NFT_GOTO, set);
	put_rule(&planting->transaction, chain, -1, NFT_GOTO, clear);
	plant(planting, hook, set, numbers + n_clear, n - n_clear, bit + 1);
	plant(planting, hook, clear, numbers, n_clear, bit + 1);
}

static void hook_chain(char name[static 32], const char *hook, const char *what)
{
	snprintf(name, 32, "%s-%s", hook, what);
}

static void plant_hook(struct planting *planting, uint32_t hook, const char *name)
{
	const struct delegation_chains *chains = planting->chains;
	uint32_t *numbers = malloc(MAX_ACTIONS * sizeof(*numbers));
	uint32_t n = 1;
	char chain[32];

	if (!numbers) {
		planting->failed = true;
		return;
	}
	numbers[0] = DOCKET_DROP;
	for (uint32_t i = 0; i < MAX_ACTIONS; i++)
		if (chains->actions[i].extension &&
		    chains->actions[i].context.hooks & HOOK_BIT(hook))
			numbers[n++] = i;
	hook_chain(chain, name, "actions");
	nft_flush_chain(&planting->transaction, chain);
	plant(planting, name, chain, numbers, n, 0);
	free(numbers);
}

/* What is there as long as anything is. */
static void put_frame(struct planting *planting, uint32_t hook, const char *name)
{
	const struct delegation_chains *chains = planting->chains;
	struct nft_transaction *transaction = &planting->transaction;
	char docket[32], actions[32];
	struct nft_rule rule;

	hook_chain(docket, name, "docket");
	hook_chain(actions, name, "actions");
	nft_new_chain(transaction, actions);
	nft_new_chain(transaction, docket);
	for (uint32_t i = 0; i < DOCKET_ACTIONS; i++) {
		put_rule(transaction, docket, chains->programs.done, NF_ACCEPT, NULL);
		put_rule(transaction, docket, -1, NFT_JUMP, actions);
	}
	put_rule(transaction, docket, chains->programs.done, NF_ACCEPT, NULL);
	put_rule(transaction, docket, -1, NF_DROP, NULL);

	nft_new_base_chain(transaction, name, hook, chains->priority);
	nft_begin_rule(transaction, name, &rule);
	put_condition(&rule, chains->programs.present);
	nft_put_verdict(&rule, NFT_GOTO, docket);
	nft_end_rule_with_comment(&rule, COMMENT);
}

/* First all rules, which name other chains, then the chains. */
static void uproot(struct planting *planting)
{
	const struct delegation_chains *chains = planting->chains;

	for (uint32_t i = 0; i < chains->n_nodes; i++)
		nft_flush_chain(&planting->transaction, chains->nodes[i]);
	for (uint32_t i = 0; i < chains->n_nodes; i++)
		nft_delete_chain(&planting->transaction, chains->nodes[i]);
}

static int explain(const struct delegation_chains *chains, int error, struct message *message)
{
	const char *name = "its own targets";

	if (error == -EPERM)
		return message_error(message, EPERM,
				     "another process owns the nftables table '" TABLE_NAME "'");
	for (uint32_t i = 0; chains->actions && i < MAX_ACTIONS; i++)
		if (chains->actions[i].extension &&
		    chains->actions[i].change == chains->nft.refused)
			name = chains->actions[i].extension->name;
	return message_error(message, -error,
			     "the kernel does not carry out %s for us in the nftables table "
			     "'" TABLE_NAME "': %s",
			     name, strerror(-error));
}

static int replant(struct delegation_chains *chains, struct message *message)
{
	struct planting planting = {.chains = chains};
	int error;

	chains->version++;
	nft_begin(&planting.transaction, &chains->nft, chains->family, TABLE_NAME);
	if (!chains->published) {
		nft_destroy_table(&planting.transaction);
		nft_new_table(&planting.transaction, false);
	}
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (!chains->published)
			put_frame(&planting, hooks[i].number, hooks[i].name);
		plant_hook(&planting, hooks[i].number, hooks[i].name);
	}
	uproot(&planting);
	planting.transaction.failed |= planting.failed;
	error = nft_commit(&chains->nft, &planting.transaction);
	if (error) {
		free(planting.nodes);
		return explain(chains, error, message);
	}
	free(chains->nodes);
	chains->nodes = planting.nodes;
	chains->n_nodes = planting.n_nodes;
	chains->published = true;
	chains->changed = false;
	return 0;
}

int delegation_chains_publish(struct delegation_chains *chains, struct message *message)
{
	int error = 0;

	if (!chains->changed)
		return 0;
	if (!chains->nft.socket)
		error = nft_open(&chains->nft);
	if (error)
		return message_error(message, -error, "cannot speak to netfilter: %s",
				     strerror(-error));
	forget_unused(chains);
	return replant(chains, message);
}

static bool is_used(const struct delegation_chains *chains)
{
	for (uint32_t i = 0; chains->actions && i < MAX_ACTIONS; i++)
		if (chains->actions[i].users)
			return true;
	return false;
}

static void clear(struct delegation_chains *chains)
{
	for (uint32_t i = 0; chains->actions && i < MAX_ACTIONS; i++)
		free_action(&chains->actions[i]);
	free(chains->nodes);
	chains->nodes = NULL;
	chains->n_nodes = 0;
	chains->published = false;
	chains->changed = false;
}

void delegation_chains_settle(struct delegation_chains *chains)
{
	struct nft_transaction transaction;

	if (is_used(chains))
		return;
	if (chains->published) {
		if (!await_packets())
			return;
		nft_begin(&transaction, &chains->nft, chains->family, TABLE_NAME);
		nft_destroy_table(&transaction);
		if (nft_commit(&chains->nft, &transaction))
			return;
	}
	clear(chains);
}

void delegation_chains_close(struct delegation_chains *chains)
{
	/* The table is gone with its owner. */
	nft_close(&chains->nft);
	clear(chains);
	free(chains->actions);
	chains->actions = NULL;
}
