/* SPDX-License-Identifier: GPL-2.0-only OR GPL-2.0-or-later */
/*
 * The connection tracker of the XDP and TC hooks (bpf/tracker.h): what its programs share with
 * each other and with user space. Addresses and ports are in network byte order, as in the
 * packet; all other numbers in host order; times are nanoseconds of the tracker's clock.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

/* The bytes of an address; those of IPv4 are the first four, the others are 0. */
struct tracker_address {
	__u64 word[2];
};

/* What tells connections apart behind the IP header; all 0 for protocols without ports. */
union tracker_transport {
	struct {
		__be16 source;
		__be16 destination;
	} port;
	struct {
		__be16 id;
		__u8 type;
		__u8 code;
	} icmp;
	__u32 word;
};

/*
 * The name of a connection, the same for packets of both directions. Of two endpoints the smaller
 * comes first. An ICMP query has the side that asks first, port[0] is its id, port[1] the number
 * code << 8 | type of the request.
 */
struct tracker_key {
	struct tracker_address address[2];
	__be16 port[2];
	__u8 protocol;
	__u8 family; /* enum arena_family */
	__u16 unused;
};

/* Those of the kernel have its numbers (nf_conntrack_common.h: enum ip_conntrack_status). */
enum tracker_status {
	TRACKER_SEEN_REPLY = 1 << 1,
	TRACKER_ASSURED = 1 << 2,
	TRACKER_CONFIRMED = 1 << 3,
	/* Of ours: */
	TRACKER_GONE = 1 << 6, /* a packet has ended it: whatever its deadline, it does not exist */
	TRACKER_CROWDED = 1 << 7, /* it should be settled, but there was no room */
};

/* nf_conntrack_tcp.h: enum tcp_conntrack */
enum tracker_tcp_state {
	TRACKER_TCP_NONE,
	TRACKER_TCP_SYN_SENT,
	TRACKER_TCP_SYN_RECV,
	TRACKER_TCP_ESTABLISHED,
	TRACKER_TCP_FIN_WAIT,
	TRACKER_TCP_CLOSE_WAIT,
	TRACKER_TCP_LAST_ACK,
	TRACKER_TCP_TIME_WAIT,
	TRACKER_TCP_CLOSE,
	TRACKER_TCP_SYN_SENT2,
	TRACKER_TCP_STATES,
};

/* What the window check knows of one side: the numbers are those of its own bytes. */
struct tracker_tcp_side {
	__u32 end;            /* the greatest sequence number that it has sent, plus 1 */
	__u32 maximum_end;    /* the greatest that its peer has allowed it to send, plus 1 */
	__u32 maximum_window; /* the widest window that it has offered; 0: it is not known yet */
	__u32 acknowledged;   /* the greatest number of its peer's that it has acknowledged */
	__u8 scale;
	__u8 flags; /* bpf/tracker_tcp.h */
	__u16 unused;
};

struct tracker_tcp {
	struct tracker_tcp_side side[2];
	__u8 state;
	__u8 last_kind; /* of packet */
	__u8 last_direction;
	__u8 repetitions; /* of the same acknowledgement */
	__u32 last_sequence;
	__u32 last_acknowledgement;
	__u32 last_end;
	__u16 last_window;
	__u8 last_scale;
	__u8 last_flags;
	__u32 pauses; /* tracker_settings.pauses, when the windows were looked at last */
};

struct tracker_connection {
	/*
	 * Number of the ticket by which whoever has it may remove the connection. 0: the entry is
	 * being made or removed, and is no connection.
	 */
	__u64 ticket;
	__u64 deadline; /* a connection that is past it does not exist */
	struct tracker_key key;
	__u64 begin;
	__u32 generation;
	__u8 originator; /* which side of the key sent the first packet */
	__u8 status;     /* enum tracker_status */
	__u8 settled;    /* it has a place of its own: no new connection can take it */
	__u8 unused;
	struct tracker_tcp tcp;
};

struct tracker_entry {
	struct bpf_spin_lock lock; /* over all of the connection */
	__u32 unused;
	struct tracker_connection connection;
};

struct tracker_ticket {
	struct tracker_key key;
	__u64 number;
};

/* Indexes of tracker_settings.timeout; the first are states of TCP. */
enum tracker_timeout {
	TRACKER_TIMEOUT_TCP_REPEATED =
		TRACKER_TCP_STATES, /* nf_conntrack_tcp_timeout_max_retrans */
	TRACKER_TIMEOUT_TCP_UNACKNOWLEDGED,
	TRACKER_TIMEOUT_UDP,
	TRACKER_TIMEOUT_UDP_STREAM,
	TRACKER_TIMEOUT_ICMP, /* and ICMPv6 */
	TRACKER_TIMEOUT_GENERIC,
	TRACKER_TIMEOUTS,
};

/* What the programs only read. */
struct tracker_settings {
	__s64 clock_offset; /* added to the kernel's monotonic clock; for tests */
	__u32 generation;   /* connections of another one are past their deadline */
	__u32 settled_limit;
	__u32 half_open_limit;
	__u8 tcp_loose; /* connections may be picked up in the middle */
	__u8 tcp_maximum_repetitions;
	__u16 unused;
	__u32 timeout[TRACKER_TIMEOUTS]; /* in seconds */
	__u32 pauses[2];                 /* of each family: how often it was not tracked */
	__u64 unused_line[4];            /* two cache lines */
};

struct tracker_counts {
	__u64 settled;   /* connections now, those that nobody has removed yet included */
	__u64 half_open; /* likewise */
	__u64 tickets;   /* so many have been written */
	__u64 created;   /* but for those that took the place of one past its deadline */
	__u64 expired;   /* removed after their deadline */
	__u64 evicted;   /* half-open ones that made room for new ones */
	__u64 closed;    /* connections being closed that made room for settled ones */
	__u64 crowded;   /* connections that found no room among the settled ones */
	__u64 refused;   /* packets of new connections dropped for want of room */
	__u64 clashes;   /* packets dropped because their connection was being removed */
};

/* What user space asks of the program tracker_control. */
enum tracker_operation {
	TRACKER_START,  /* begin to collect what has expired */
	TRACKER_DELETE, /* the connection with this key; -ENOENT if there is none */
	TRACKER_ADOPT,  /* the connection, if there is none with its key */
};

struct tracker_request {
	__u32 operation;
	__s32 result; /* 0 or -errno */
	struct tracker_key key;
	struct tracker_connection connection; /* TRACKER_ADOPT */
};

struct tracker_shared {
	struct tracker_settings settings;
	struct tracker_counts counts;
	struct tracker_request request;
};

/* Both queues and the table have a little more room than the limits, for what is on the way. */
#define TRACKER_SLACK 1024u

/* About 300 bytes each, which are taken when the programs are loaded. */
#define TRACKER_DEFAULT_SETTLED   131072u
#define TRACKER_DEFAULT_HALF_OPEN 32768u
#define TRACKER_DEFAULT_FRAGMENTS 8192u

#define TRACKER_OPTIONS        40u /* bytes of TCP options at most */
#define TRACKER_OPTIONS_BUFFER 64u /* a power of two: indices are masked */

/* A TCP packet as the window check sees it. */
struct tracker_segment {
	__u32 sequence;
	__u32 end; /* the number behind the last that the packet carries */
	__u32 acknowledgement;
	__u32 sack; /* the greatest number acknowledged, selectively or not */
	/* What the options say. */
	__u8 flags; /* of the side that sent them */
	__u8 scale;
	__u8 present;
	__u8 has_sacks;
};

/* A packet as the tracker wants it. */
struct tracker_packet {
	struct tracker_address source;
	struct tracker_address destination;
	__u8 family;    /* enum arena_family */
	__u8 protocol;  /* behind IPv6's extension headers */
	__u8 shape;     /* enum shape */
	__u8 hop_limit; /* of ICMPv6 redirects */
	__u32 length;   /* of the packet from its transport header on; unused in fragments */
	union tracker_transport transport;
	__u32 fragment_id;
	__u16 fragment_offset; /* in bytes */
	__u8 more_fragments;
	__u8 n_options; /* how many bytes of TCP options are in @options; 0 is also right where
			   there is a timestamp and nothing else, laid out as usual (RFC 7323
			   appendix A) */
	union {
		struct {
			__u32 sequence;
			__u32 acknowledgement;
			__u16 window;
			__u8 flags;
			__u8 header_size; /* in bytes */
			__u8 options[TRACKER_OPTIONS_BUFFER];
			struct tracker_segment segment; /* the tracker's own */
		} tcp;
		struct {
			__u16 length; /* as the header says */
		} udp;
		/*
		 * What an ICMP error quotes (ICMPv6 redirects: in their redirected header option,
		 * if that is the first). @present if as much of it is there as its protocol's
		 * ports take, or eight bytes for ICMP, and it is no fragment but the first.
		 */
		struct {
			struct tracker_address source;
			struct tracker_address destination;
			union tracker_transport transport;
			__u8 protocol;
			__u8 present;
		} quoted;
	};
};
