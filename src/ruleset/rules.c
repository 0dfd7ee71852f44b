// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Headers, matches and targets of the rules: checked as ip_tables.c find_check_entry() and
 * x_tables.c xt_check_match() do, and compiled to predicates.
 */
#include "ruleset/internal.h"
#include "ruleset/refusals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A match or a target in the blob: they have the same header. */
struct reference {
	enum extension_kind kind;
	const char *name; /* ends within XT_EXTENSION_MAXNAMELEN, or does not end */
	uint8_t revision;
	const void *payload;
	size_t size; /* of the payload, bytes */
};

/* Rules next to each other often use the same extensions: the last one of each kind. */
struct found_extension {
	char name[XT_EXTENSION_MAXNAMELEN]; /* all bytes of it, as they stand in the blob */
	uint8_t revision;
	const struct extension *extension; /* NULL: none yet */
};

/* For a hook and a subject: one that changes it, and one that looks at it. */
struct encounter {
	const struct extension *changes;
	const struct extension *observes;
};

struct checker {
	struct ruleset *ruleset;
	const struct family *family;
	struct found_extension found[2]; /* by kind */
	struct encounter encounters[NF_INET_NUMHOOKS][SUBJECTS];
	struct message *message;
};

static const char *const kind_names[] = {
	[EXTENSION_MATCH] = "match",
	[EXTENSION_TARGET] = "target",
};

static struct reference match_reference(const struct xt_entry_match *match)
{
	return (struct reference){
		.kind = EXTENSION_MATCH,
		.name = match->u.user.name,
		.revision = match->u.user.revision,
		.payload = match->data,
		.size = match->u.match_size - sizeof(*match),
	};
}

static struct reference target_reference(const struct xt_entry_target *target)
{
	return (struct reference){
		.kind = EXTENSION_TARGET,
		.name = target->u.user.name,
		.revision = target->u.user.revision,
		.payload = target->data,
		.size = target->u.target_size - sizeof(*target),
	};
}

static int search_extension(const struct reference *reference, uint8_t family,
			    const struct extension **ret_extension, struct message *message)
{
	const char *kind = kind_names[reference->kind];
	const char *name = reference->name;
	const struct extension *extension;
	const char *reason;

	if (strnlen(name, XT_EXTENSION_MAXNAMELEN) == XT_EXTENSION_MAXNAMELEN)
		return message_error(message, EINVAL, "the name of a %s has no end", kind);

	extension = extension_find(reference->kind, name, reference->revision, family);
	if (!extension && extension_known(reference->kind, name, family))
		return message_error(message, EPROTONOSUPPORT,
				     "%s \"%s\" revision %u is not supported", kind, name,
				     reference->revision);
	if (!extension) {
		reason = refusal_reason(reference->kind, name);
		return message_error(message, ENOENT, "%s \"%s\" is not supported%s%s", kind, name,
				     reason ? ": " : "", reason ? reason : "");
	}

	*ret_extension = extension;
	return 0;
}

static int find_extension(struct checker *checker, const struct reference *reference,
			  const struct extension **ret_extension)
{
	struct found_extension *found = &checker->found[reference->kind];
	int r;

	if (!found->extension || found->revision != reference->revision ||
	    memcmp(found->name, reference->name, sizeof(found->name)) != 0) {
		r = search_extension(reference, checker->family->number, &found->extension,
				     checker->message);
		if (r < 0)
			return r;
		memcpy(found->name, reference->name, sizeof(found->name));
		found->revision = reference->revision;
	}
	*ret_extension = found->extension;
	return 0;
}

static int check_place(const struct extension *extension, const struct rule_context *context,
		       struct message *message)
{
	uint32_t forbidden = extension->hooks ? context->hooks & ~extension->hooks : 0;

	if (forbidden)
		return message_error(message, EINVAL,
				     "not allowed in %s, from which this rule is reached",
				     ruleset_hook_name((unsigned int)__builtin_ctz(forbidden)));
	if (extension->protocol &&
	    (context->protocol != extension->protocol || context->protocol_inverted))
		return message_error(message, EINVAL, "only for rules with protocol %u",
				     extension->protocol);
	return 0;
}

static int check_payload(const struct extension *extension, const struct reference *reference,
			 const struct rule_context *context, struct message *message)
{
	int r;

	if (reference->size != XT_ALIGN((size_t)extension->size))
		return message_error(message, EINVAL, "%zu bytes of data instead of %zu",
				     reference->size, XT_ALIGN((size_t)extension->size));
	r = check_place(extension, context, message);
	if (r < 0)
		return r;
	return extension->check ? extension->check(context, reference->payload, message) : 0;
}

static bool is_delegate(const struct delegate *delegate, const struct extension *extension,
			const struct rule_context *context, const void *payload)
{
	return delegate->extension == extension &&
	       delegate->context.protocol == context->protocol &&
	       delegate->context.protocol_inverted == context->protocol_inverted &&
	       memcmp(delegate->payload, payload, extension->size) == 0;
}

static struct delegate *find_delegate(const struct ruleset *ruleset,
				      const struct extension *extension,
				      const struct rule_context *context, const void *payload)
{
	for (uint32_t i = 0; i < ruleset->n_delegates; i++)
		if (is_delegate(&ruleset->delegates[i], extension, context, payload))
			return &ruleset->delegates[i];
	return NULL;
}

/* The place of the delegate, counted from 1 on, or a negative errno. */
static int add_delegate(struct checker *checker, const struct extension *extension,
			const struct rule_context *context, const void *payload)
{
	struct ruleset *ruleset = checker->ruleset;
	struct delegate *delegate = find_delegate(ruleset, extension, context, payload);
	uint32_t n = ruleset->n_delegates;

	if (delegate) {
		delegate->context.hooks |= context->hooks;
		return (int)(delegate - ruleset->delegates) + 1;
	}
	if (n == MAX_DELEGATES)
		return message_error(checker->message, E2BIG,
				     "more than %u different matches and targets are left to "
				     "the kernel",
				     MAX_DELEGATES);
	if (!(n & (n - 1))) {
		struct delegate *delegates =
			reallocarray(ruleset->delegates, n ? n * 2 : 1, sizeof(*delegates));

		if (!delegates)
			return message_error(checker->message, ENOMEM, "out of memory");
		ruleset->delegates = delegates;
	}
	ruleset->delegates[n] = (struct delegate){
		.extension = extension,
		.payload = payload,
		.context = *context,
	};
	ruleset->n_delegates++;
	return (int)n + 1;
}

static void note_subjects(struct checker *checker, const struct extension *extension,
			  const void *payload, uint32_t hooks)
{
	uint32_t changes = extension->changed ? extension->changed(payload) : extension->changes;

	for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		for (int subject = 0; subject < SUBJECTS && hooks & HOOK_BIT(hook); subject++) {
			struct encounter *encounter = &checker->encounters[hook][subject];

			if (changes & SUBJECT_BIT(subject))
				encounter->changes = extension;
			if (extension->observes & SUBJECT_BIT(subject))
				encounter->observes = extension;
		}
	}
}

static int check_encounters(const struct checker *checker)
{
	static const char *const names[] = {
		[SUBJECT_MARK] = "the packet's mark",
		[SUBJECT_CONNECTION_MARK] = "the connection's mark",
		[SUBJECT_SETS] = "sets",
	};

	for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		for (int subject = 0; subject < SUBJECTS; subject++) {
			const struct encounter *encounter = &checker->encounters[hook][subject];

			if (encounter->changes && encounter->observes)
				return message_error(
					checker->message, EOPNOTSUPP,
					"filter %s: target \"%s\" changes %s behind all rules, and "
					"match \"%s\" of this chain would have to see it; do the "
					"former in table mangle",
					ruleset_hook_name((unsigned int)hook),
					encounter->changes->name, names[subject],
					encounter->observes->name);
		}
	}
	return 0;
}

/* Can a packet get to the rule, or does the kernel hold something for it nevertheless? */
static bool is_wanted(const struct extension *extension, const struct rule_context *context)
{
	return context->hooks || extension->holds;
}

static bool is_condition(const struct extension *extension, const struct rule_context *context,
			 const void *payload)
{
	return extension->delegation == DELEGATION_CONDITION &&
	       (!extension->delegates || extension->delegates(context, payload));
}

static int check_extension(struct checker *checker, uint32_t index,
			   const struct reference *reference, const struct rule_context *context)
{
	const struct extension *extension = NULL;
	int r;

	r = find_extension(checker, reference, &extension);
	if (r < 0)
		return r;
	r = check_payload(extension, reference, context, checker->message);
	if (r < 0) {
		message_prefix(checker->message, "%s \"%s\"", kind_names[reference->kind],
			       reference->name);
		return r;
	}
	if (extension->settle)
		extension->settle(checker->ruleset->blob +
				  ((const uint8_t *)reference->payload - checker->ruleset->blob));
	checker->ruleset->services |= extension->services;
	if (extension->conntrack)
		checker->ruleset->services |= SERVICE_CONNTRACK;
	if (extension->needs_skb && context->hooks && !checker->ruleset->skb_match) {
		checker->ruleset->skb_match = extension;
		checker->ruleset->skb_match_entry = index;
	}
	if (extension->changes | extension->observes)
		note_subjects(checker, extension, reference->payload, context->hooks);
	if (extension->clock)
		checker->ruleset->clock = true;
	if (extension->state)
		checker->ruleset->n_states++;
	if (is_wanted(extension, context) && is_condition(extension, context, reference->payload)) {
		r = add_delegate(checker, extension, context, reference->payload);
		return r < 0 ? r : 0;
	}
	return 0;
}

static int note_delegate(struct checker *checker, uint32_t index,
			 const struct rule_context *context)
{
	const struct xt_entry_target *target =
		entry_target(checker->family, entry_bytes(checker->ruleset, index));
	const struct extension *extension =
		extension_find(EXTENSION_TARGET, target->u.user.name, target->u.user.revision,
			       checker->family->number);
	int number;

	if (!extension->delegation || !is_wanted(extension, context))
		return 0;
	number = add_delegate(checker, extension, context, target->data);
	if (number < 0)
		return number;
	checker->ruleset->entries[index].delegate = (uint16_t)number;
	return 0;
}

static int check_entry_parts(struct checker *checker, uint32_t index, uint32_t hooks)
{
	const struct family *family = checker->family;
	const uint8_t *entry = entry_bytes(checker->ruleset, index);
	const void *target = entry_target(family, entry);
	struct rule_context context;
	struct reference reference;
	int r;

	r = family->check(entry, checker->message);
	if (r < 0)
		return r;

	family->describe(entry, &context);
	context.hooks = hooks;
	for (const struct xt_entry_match *match = first_match(family, entry);
	     (const void *)match < target; match = next_match(match)) {
		reference = match_reference(match);
		r = check_extension(checker, index, &reference, &context);
		if (r < 0)
			return r;
	}
	reference = target_reference(target);
	r = check_extension(checker, index, &reference, &context);
	return r < 0 ? r : note_delegate(checker, index, &context);
}

static int check_entry(struct checker *checker, uint32_t index, uint32_t hooks)
{
	int r = check_entry_parts(checker, index, hooks);

	if (r < 0)
		ruleset_locate(checker->ruleset, index, checker->message);
	return r;
}

static int check_chain(struct checker *checker, const struct chain *chain)
{
	uint32_t hooks = chain->hooks;
	int r;

	for (uint32_t i = chain->first; i <= chain->end; i++) {
		r = check_entry(checker, i, hooks);
		if (r < 0)
			return r;
		if (entry_ends_chain(checker->ruleset, i))
			hooks = 0;
	}
	return 0;
}

/* The heads are not rules, but a target with another revision would not be a head. */
static int check_heads(struct checker *checker)
{
	const struct ruleset *ruleset = checker->ruleset;
	int r;

	for (uint32_t i = 0; i < ruleset->n_entries; i++) {
		if (ruleset->entries[i].kind != ENTRY_HEAD)
			continue;
		r = check_entry(checker, i, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

int ruleset_check_rules(struct ruleset *ruleset, struct message *message)
{
	struct checker checker = {
		.ruleset = ruleset,
		.family = family_find(ruleset->family),
		.message = message,
	};
	int r;

	for (uint32_t i = 0; i < ruleset->n_chains; i++) {
		r = check_chain(&checker, &ruleset->chains[i]);
		if (r < 0)
			return r;
	}
	r = check_encounters(&checker);
	return r < 0 ? r : check_heads(&checker);
}

/* A rule that no packet can get to need not have anything delegated. */
static void compile_condition(const struct ruleset *ruleset, const struct extension *extension,
			      const struct rule_context *context, const void *payload,
			      struct predicate *predicate)
{
	const struct delegate *delegate = find_delegate(ruleset, extension, context, payload);
	struct residual_delegated operand;

	if (!delegate) {
		predicate_never(predicate);
		return;
	}
	operand = (struct residual_delegated){
		.condition = delegate->condition,
		.action = delegate->action,
		.always = delegate->always,
		.inverted = delegate->inverted,
	};
	predicate_residual(predicate, RESIDUAL_DELEGATED, &operand, sizeof(operand));
}

void ruleset_compile_entry(const struct ruleset *ruleset, uint32_t index,
			   struct predicate *predicate)
{
	const struct family *family = family_find(ruleset->family);
	const uint8_t *entry = entry_bytes(ruleset, index);
	const void *target = entry_target(family, entry);
	struct rule_context context;

	predicate->family = ruleset->family;
	family->describe(entry, &context);
	context.hooks = 0; /* what is behind the checks depends on the entry alone */
	family->compile(entry, predicate);
	for (const struct xt_entry_match *match = first_match(family, entry);
	     (const void *)match < target; match = next_match(match)) {
		const struct extension *extension =
			extension_find(EXTENSION_MATCH, match->u.user.name, match->u.user.revision,
				       ruleset->family);

		if (is_condition(extension, &context, match->data))
			compile_condition(ruleset, extension, &context, match->data, predicate);
		else if (extension->compile)
			extension->compile(&context, match->data, predicate);
	}
}

bool ruleset_same_conditions(const struct ruleset *ruleset, uint32_t index,
			     const struct ruleset *other, uint32_t other_index)
{
	const struct family *family = family_find(ruleset->family);
	const uint8_t *entry = entry_bytes(ruleset, index);
	const uint8_t *other_entry = entry_bytes(other, other_index);
	uint16_t size = entry_target_offset(family, entry);

	return size == entry_target_offset(family, other_entry) &&
	       memcmp(entry, other_entry, size) == 0;
}
