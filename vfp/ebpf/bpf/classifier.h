/* SPDX-License-Identifier: Apache-2.0 */
/* Classification by one ACL, at a cost that does not grow with its rules. The memory of an ACL is an array of
 * 64-byte lines that user space writes while packets are judged; vfp/classifier says what is in them, builds
 * them, and has the same search in Go. References are line numbers, 0 is none. A reference that leads nowhere
 * makes acl_lookup fail, and every loop has a bound, whatever the memory holds. */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ACL_MAGIC 0xfa1ead01
#define ACL_MAX_PROBE 16
#define ACL_MAX_FORKS 3
#define ACL_MAX_DEPTH 3
#define ACL_MAX_LEVELS 3
#define ACL_MAX_OLDER 4096
#define ACL_MAX_LIST (1 << 21) /* lines */
#define ACL_PROTO_ANY 256
#define ACL_BLOCK 0x80000000U /* of a verdict; below the flags the counter number */
#define ACL_LOG 0x40000000U
#define ACL_NUMBER 0x3fffffffU

#define ACL_KIND(ref) ((ref) >> 28)
#define ACL_LINE(ref) ((ref)&0x0fffffff)
#define ACL_LIST 0
#define ACL_NODE 1
#define ACL_FORK 2

struct acl_key {
	__be32 src[4]; /* an IPv4 address is the last word */
	__be32 dst[4];
	__u16 sport; /* host byte order; ICMP and ICMPv6: 0 */
	__u16 dport; /* ICMP and ICMPv6: type << 8 | code; what has no ports has 0 in both */
	__u8 proto;
	__u8 tcp_flags; /* 0 unless TCP */
	__u8 v6;
	__u8 pad;
};

struct acl_hit {
	__u32 number; /* of the counter of the rule, or of the default, that decided */
	__u8 block;
	__u8 log;
	__u8 pad[2];
};

/* Line 0. */
struct acl_header {
	__u32 magic, pad;
	__u32 root[2]; /* by slot */
	__u8 sum[2][16];
	__u32 rest[4];
};

struct acl_root {
	__u32 version;
	__u32 geo[4]; /* direction * 2 + family */
	__u32 verdict[2]; /* of the default, by direction */
	__u32 rest[9];
};

struct acl_geo {
	__u32 bloom[2]; /* by side: source, destination */
	__u32 bloom_mask[2];
	__u32 table, table_mask;
	__u32 seed;
	__u32 partners; /* has an eighth of the table's lines */
	__u64 lens[2][2];
};

struct acl_pair {
	__u64 head; /* since << 32 | body */
	__u64 floor;
	__u32 older;
	__u32 lens;
	union {
		__u32 v4[2];
		__u64 v6[4];
		__u64 rest[5];
	};
};

struct acl_older {
	__u32 since, body, older, pad;
};

struct acl_record {
	__u64 order;
	__u32 verdict;
	__u16 sport[2], dport[2];
	__u16 proto;
	__u8 mask, value;
};

struct acl_list {
	__u32 count, pad[3];
	struct acl_record records[2];
};

struct acl_node {
	__u32 dim; /* 0 protocol, 1 destination port, 2 source port */
	__u32 levels;
	__u32 child, pad;
	__u32 base[ACL_MAX_LEVELS], count[ACL_MAX_LEVELS];
	__u32 rest[6];
};

struct acl_fork {
	__u32 count;
	__u32 child[15];
};

struct acl_line {
	union {
		__u64 u64[8];
		__u32 u32[16];
		__u16 u16[32];
	};
};

/* The memory of every ACL, by its number. How many lines one has differs. Not RDONLY_PROG, although no program writes:
 * the kernel maps no such map writable. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct acl_line));
		});
} acls SEC(".maps");

/* The state of one lookup. Addresses are in host order with their first bit on top; an IPv4 address fills the
 * upper half of the first word. */
struct acl_walk {
	__u64 addr[2][2]; /* by side */
	__u64 lens[2][2]; /* by side: lengths on the packet's chain */
	__u64 row[2];     /* lengths left to test; destination lengths left to try with sbit */
	__u64 best;       /* order of the rule found so far */
	__u64 head;       /* of the pair found */
	__u32 older;
	__u32 geo, table, table_mask, seed, partners; /* at first the table is a Bloom filter */
	__u32 version;
	__u32 sbit; /* at first the side */
	__u32 verdict;
	__u32 at, fork; /* of the loops that run */
	__u16 sport, dport;
	__u8 proto, tcp_flags;
	__u8 v6;
	__u8 bad;
	__u32 zero, width; /* bit of length 0; the longest length */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct acl_walk);
} acl_walks SEC(".maps");

/* What a lookup has on the stack: callers use much of it. */
struct acl_run {
	void *memory;
	struct acl_walk *w;
};

static __always_inline void *acl_at(const struct acl_run *r, __u32 line)
{
	if (!line)
		return NULL;
	return bpf_map_lookup_elem(r->memory, &line);
}

/* The number of the lowest bit of x, which is not 0. */
static const __u8 acl_bits[64] = {
	0,  1,  2,  53, 3,  7,  54, 27, 4,  38, 41, 8,  34, 55, 48, 28, 62, 5,  39, 46, 44, 42,
	22, 9,  24, 35, 59, 56, 49, 18, 29, 11, 63, 52, 6,  26, 37, 40, 33, 47, 61, 45, 43, 21,
	23, 58, 17, 10, 51, 25, 36, 32, 60, 20, 57, 16, 50, 31, 19, 15, 30, 14, 13, 12,
};

static __always_inline __u32 acl_lowest(__u64 x)
{
	return acl_bits[((x & -x) * 0x022fdd63cc95386dULL) >> 58];
}

/* Lengths are numbered from the longest, bit 0. Length 0 is the bit behind IPv4's 1, or in place of IPv6's 1, which
 * has no bit. */
#define ACL_ZERO_V4 32
#define ACL_ZERO_V6 127

/* These have no branches: every branch would double the paths that the verifier follows. */
static __always_inline __u32 acl_length(const struct acl_walk *w, __u32 bit)
{
	__u32 other = bit ^ w->zero;

	asm volatile("" : "+r"(other));
	return (w->width - bit) & (0 - ((other | (0 - other)) >> 31));
}

static __always_inline __u64 acl_high(__u64 hi, __u32 length)
{
	return hi & (~(~0ULL >> (length & 63)) | (0 - (__u64)((length >> 6 | length >> 7) & 1)));
}

static __always_inline __u64 acl_low(__u64 lo, __u32 length)
{
	__u64 some = ~(~0ULL >> (length & 63)) & (0 - (__u64)(length >> 6 & 1));

	return lo & (some | (0 - (__u64)(length >> 7 & 1)));
}

#define ACL_MUL_A 0x9e3779b97f4a7c15ULL
#define ACL_MUL_B 0xbf58476d1ce4e5b9ULL
#define ACL_MUL_C 0x94d049bb133111ebULL
#define ACL_MUL_D 0xd6e8feb86659fd93ULL

/* acl_band tests the next band of four lengths of a side, which share a line of the Bloom filter. */
static long acl_band(__u64 i, struct acl_run *r)
{
	struct acl_walk *w = r->w;
	__u32 side = w->sbit, shift, band, miss = 0, upper = 0;
	struct acl_line *line;
	__u64 hi, lo, present, nibble, h;

	hi = side ? w->addr[1][0] : w->addr[0][0];
	lo = side ? w->addr[1][1] : w->addr[0][1];
	if (w->row[0]) {
		shift = acl_lowest(w->row[0]) & 60;
		band = (w->width - 1 - shift) / 4;
		present = w->row[0] >> shift & 15;
		nibble = (w->v6 ? lo >> shift : hi >> 32 >> (shift & 31)) & 15;
		w->row[0] &= ~(15ULL << shift);
	} else if (w->row[1]) {
		shift = acl_lowest(w->row[1]) & 60;
		band = 15 - shift / 4;
		present = w->row[1] >> shift & 15;
		nibble = hi >> shift & 15;
		w->row[1] &= ~(15ULL << shift);
		upper = 1;
	} else {
		return 1;
	}
	h = (acl_high(hi, 4 * band) ^ band) * ACL_MUL_A;
	h ^= h >> 32;
	h = (h + acl_low(lo, 4 * band)) * ACL_MUL_B;
	h ^= h >> 29;
	line = acl_at(r, w->table + ((__u32)h & w->table_mask));
	if (!line) {
		w->bad = 1;
		return 1;
	}
#pragma unroll
	for (int k = 0; k < 4; k++) {
		__u64 g, want;

		if (!(present >> k & 1))
			continue;
		g = (h ^ (16ULL >> k | nibble >> k) * ACL_MUL_C) * ACL_MUL_D;
		want = 1ULL << (g >> 55 & 63) | 1ULL << (g >> 49 & 63);
		if ((line->u64[g >> 61] & want) != want)
			miss |= 1 << k;
	}
	if (!upper) {
		if (side)
			w->lens[1][0] &= ~((__u64)miss << shift);
		else
			w->lens[0][0] &= ~((__u64)miss << shift);
	} else {
		if (side)
			w->lens[1][1] &= ~((__u64)miss << shift);
		else
			w->lens[0][1] &= ~((__u64)miss << shift);
	}
	return 0;
}

/* acl_chain leaves those of a side's lengths at which some rule may have a prefix of the packet's address. */
static __always_inline int acl_chain(struct acl_run *r, const struct acl_geo *geo, __u32 side)
{
	struct acl_walk *w = r->w;

	w->lens[side][0] = *(volatile __u64 *)&geo->lens[side][0];
	w->lens[side][1] = *(volatile __u64 *)&geo->lens[side][1];
	w->row[0] = w->lens[side][0];
	w->row[1] = w->lens[side][1];
	if (w->v6) /* everything is in the prefix of length 0 */
		w->row[1] &= ~(1ULL << (ACL_ZERO_V6 & 63));
	else
		w->row[0] &= ~(1ULL << ACL_ZERO_V4);
	w->sbit = side;
	w->table = geo->bloom[side];
	w->table_mask = geo->bloom_mask[side];
	bpf_loop(32, acl_band, r, 0);
	return w->bad;
}

/* acl_record judges by one record; it says whether later ones of the list cannot matter. */
static __always_inline int acl_record(struct acl_walk *w, const struct acl_record *rule)
{
	__u64 bad, dport = w->dport, sport = w->sport, proto = rule->proto;

	if (rule->order >= w->best)
		return 1;
	/* The top bit is set when something is out of its range or not equal: one branch instead of seven. */
	bad = (dport - rule->dport[0]) | (rule->dport[1] - dport) | (sport - rule->sport[0]) | (rule->sport[1] - sport);
	bad |= (0 - (proto ^ w->proto)) & ((proto >> 8) - 1); /* ACL_PROTO_ANY is 1 << 8 */
	bad |= 0 - (__u64)((w->tcp_flags & rule->mask) ^ rule->value);
	asm volatile("" : "+r"(bad));
	if (bad >> 63)
		return 0;
	w->best = rule->order;
	w->verdict = rule->verdict;
	return 1;
}

/* acl_more judges by the next line of a list. An odd one is filled up with a record of the highest order, which ends
 * the scan. */
static long acl_more(__u64 i, struct acl_run *r)
{
	struct acl_walk *w = r->w;
	struct acl_list *list = acl_at(r, w->at + (__u32)i);

	if (!list) {
		w->bad = 1;
		return 1;
	}
	return acl_record(w, &list->records[0]) || acl_record(w, &list->records[1]);
}

static __always_inline int acl_scan(struct acl_run *r, __u32 line)
{
	struct acl_walk *w = r->w;
	struct acl_list *list = acl_at(r, line);
	__u32 lines;

	if (!list)
		return -1;
	lines = (list->count + 1) / 2;
	w->at = line;
	bpf_loop(lines < ACL_MAX_LIST ? lines : ACL_MAX_LIST, acl_more, r, 0);
	return w->bad ? -1 : 0;
}

/* acl_search finds the last of 32 sorted starts that is not above value, without a branch. */
static __always_inline __u32 acl_search(const struct acl_line *line, __u64 value)
{
	__u64 at = 0;

#pragma unroll
	for (int step = 16; step; step /= 2) {
		__u64 above = (__u64)line->u16[(at + step) & 31] - value - 1;

		asm volatile("" : "+r"(above));
		at += (above >> 63) * step;
	}
	return at & 31;
}

/* acl_tree goes from a body down to one list. */
static __noinline int acl_tree(struct acl_run *r, __u32 ref)
{
	struct acl_walk *w = r->w;
	for (int depth = 0; depth < ACL_MAX_DEPTH; depth++) {
		struct acl_line *line;
		struct acl_node *node;
		__u32 at = 0;
		__u64 value, over;

		if (ACL_KIND(ref) == ACL_LIST)
			break;
		node = acl_at(r, ACL_LINE(ref));
		if (!node || ACL_KIND(ref) != ACL_NODE)
			return -1;
		value = w->proto | (__u64)w->dport << 16 | (__u64)w->sport << 32; /* by dimension */
		value = value >> (node->dim * 16 & 48) & 0xffff;
		for (int level = 0; level < ACL_MAX_LEVELS; level++) {
			if (level >= node->levels)
				break;
			line = acl_at(r, node->base[level] + at);
			if (!line)
				return -1;
			at = at * 32 + acl_search(line, value);
			over = (__u64)node->count[level] - 1 - at;
			asm volatile("" : "+r"(over));
			at += (__u32)over & (0 - (__u32)(over >> 63)); /* at most count - 1 */
		}
		line = acl_at(r, node->child + at / 16);
		if (!line)
			return -1;
		ref = line->u32[at & 15];
	}
	if (ACL_KIND(ref) != ACL_LIST)
		return -1;
	return ref ? acl_scan(r, ref) : 0;
}

/* acl_branch goes through the children of a fork. */
static long acl_branch(__u64 i, struct acl_run *r)
{
	struct acl_walk *w = r->w;
	struct acl_fork *fork = acl_at(r, w->fork);

	if (!fork || acl_tree(r, fork->child[i & 3])) {
		w->bad = 1;
		return 1;
	}
	return 0;
}

static long acl_version(__u64 i, struct acl_run *r)
{
	struct acl_walk *w = r->w;
	struct acl_line *line = acl_at(r, w->at / 4);
	struct acl_older *o;

	if (!line) {
		w->bad = 1;
		return 1;
	}
	o = (struct acl_older *)&line->u64[(w->at & 3) * 2];
	if (o->since <= w->version) {
		w->at = o->body;
		w->bad = 0;
		return 1;
	}
	w->at = o->older;
	if (w->at)
		return 0;
	w->bad = 0;
	return 1;
}

/* acl_pair judges by the body that the pair had at the reader's version. */
static __always_inline int acl_pair(struct acl_run *r, __u64 head, __u32 older)
{
	struct acl_walk *w = r->w;
	__u32 body = (__u32)head;
	struct acl_fork *fork;

	if (head >> 32 > w->version) {
		if (!older)
			return 0;
		w->at = older;
		w->bad = 1; /* until a version is found */
		bpf_loop(ACL_MAX_OLDER, acl_version, r, 0);
		if (w->bad)
			return -1;
		body = w->at;
	}
	if (!body)
		return 0;
	if (ACL_KIND(body) != ACL_FORK)
		return acl_tree(r, body);
	w->fork = ACL_LINE(body);
	fork = acl_at(r, w->fork);
	if (!fork)
		return -1;
	bpf_loop(fork->count < ACL_MAX_FORKS ? fork->count : ACL_MAX_FORKS, acl_branch, r, 0);
	return w->bad ? -1 : 0;
}

/* acl_row goes to the next source length of the packet's chain and the destination lengths to try with it: those on
 * the chain that this source prefix is, or may be, paired with. It is 1 at the end. */
static __noinline int acl_row(struct acl_run *r)
{
	struct acl_walk *w = r->w;
	struct acl_line *line;
	__u32 at, length;
	__u64 h;

	if (w->lens[0][0]) {
		w->sbit = acl_lowest(w->lens[0][0]);
		w->lens[0][0] &= w->lens[0][0] - 1;
	} else if (w->lens[0][1]) {
		w->sbit = acl_lowest(w->lens[0][1]) + 64;
		w->lens[0][1] &= w->lens[0][1] - 1;
	} else {
		return 1;
	}
	at = w->v6 ? w->sbit * 2 : w->sbit;
	line = acl_at(r, w->geo + 1 + at / 8);
	if (!line)
		return -1;
	w->row[0] = *(volatile __u64 *)&line->u64[at & 7] & w->lens[1][0];
	if (w->v6)
		w->row[1] = *(volatile __u64 *)&line->u64[(at + 1) & 7] & w->lens[1][1];
	length = acl_length(w, w->sbit);
	h = (acl_high(w->addr[0][0], length) ^ (__u64)w->sbit << 8 ^ (__u64)w->seed << 24) * ACL_MUL_A;
	h ^= h >> 32;
	if (w->v6)
		h += acl_low(w->addr[0][1], length);
	h *= ACL_MUL_B;
	h ^= h >> 29;
	line = acl_at(r, w->partners + ((__u32)h & w->table_mask >> 3));
	if (!line)
		return -1;
	if (w->v6) {
		w->row[0] &= line->u64[(h >> 62) * 2] & line->u64[(h >> 60 & 3) * 2];
		w->row[1] &= line->u64[(h >> 62) * 2 + 1] & line->u64[(h >> 60 & 3) * 2 + 1];
	} else {
		w->row[0] &= line->u64[h >> 61] & line->u64[h >> 58 & 7];
	}
	return 0;
}

/* acl_find looks for a pair in the table. 0: w->head and w->older are its; 1: there is none, or none that matters. */
static __noinline int acl_find4(struct acl_run *r, __u64 addrs, __u32 lens, __u32 h)
{
	struct acl_walk *w = r->w;
	for (int n = 0; n < ACL_MAX_PROBE; n++) {
		struct acl_line *line = acl_at(r, w->table + ((h + n) & w->table_mask));
		struct acl_pair *p;
		__u32 word;

		if (!line)
			return -1;
#pragma unroll
		for (int half = 0; half < 2; half++) {
			p = (struct acl_pair *)&line->u64[4 * half];
			word = *(volatile __u32 *)&p->lens;
			if (!word)
				return 1;
			if (word != lens || p->rest[0] != addrs)
				continue;
			if (p->floor >= w->best)
				return 1;
			w->head = *(volatile __u64 *)&p->head;
			w->older = *(volatile __u32 *)&p->older;
			return 0;
		}
	}
	return 1;
}

static __noinline int acl_find6(struct acl_run *r, __u32 slen, __u32 dlen, __u32 lens, __u32 h)
{
	struct acl_walk *w = r->w;
	__u64 shi, slo, dhi, dlo;

	shi = acl_high(w->addr[0][0], slen);
	slo = acl_low(w->addr[0][1], slen);
	dhi = acl_high(w->addr[1][0], dlen);
	dlo = acl_low(w->addr[1][1], dlen);
	for (int n = 0; n < ACL_MAX_PROBE; n++) {
		struct acl_pair *p = acl_at(r, w->table + ((h + n) & w->table_mask));
		__u32 word;

		if (!p)
			return -1;
		word = *(volatile __u32 *)&p->lens;
		if (!word)
			return 1;
		if (word != lens || p->v6[0] != shi || p->v6[1] != slo || p->v6[2] != dhi || p->v6[3] != dlo)
			continue;
		if (p->floor >= w->best)
			return 1;
		w->head = *(volatile __u64 *)&p->head;
		w->older = *(volatile __u32 *)&p->older;
		return 0;
	}
	return 1;
}

/* acl_locate looks for the packet's pair of these lengths; it answers as acl_find4. It is a function of its own so that
 * its stack is free again when the body is searched. */
static __noinline int acl_locate(struct acl_run *r, __u32 dbit)
{
	struct acl_walk *w = r->w;
	__u64 shi, dhi, h;
	__u32 slen, dlen, lens;

	lens = 1 | w->sbit << 8 | dbit << 16;
	slen = acl_length(w, w->sbit);
	dlen = acl_length(w, dbit);
	shi = acl_high(w->addr[0][0], slen);
	dhi = acl_high(w->addr[1][0], dlen);
	h = (shi ^ lens ^ (__u64)w->seed << 24) * ACL_MUL_A;
	h ^= h >> 32;
	h = (h + (dhi ^ dhi >> 32)) * ACL_MUL_B; /* an IPv4 address has nothing below */
	h ^= h >> 32;
	if (!w->v6)
		return acl_find4(r, shi >> 32 | dhi, lens, h);
	h = (h + acl_low(w->addr[0][1], slen)) * ACL_MUL_C;
	h ^= h >> 32;
	h = (h + acl_low(w->addr[1][1], dlen)) * ACL_MUL_D;
	h ^= h >> 32;
	return acl_find6(r, slen, dlen, lens, h);
}

/* acl_step tries the next pair of lengths. */
static long acl_step(__u64 i, struct acl_run *r)
{
	struct acl_walk *w = r->w;
	__u32 dbit;
	int got;

	if (w->row[0]) {
		dbit = acl_lowest(w->row[0]);
		w->row[0] &= w->row[0] - 1;
	} else if (w->row[1]) {
		dbit = acl_lowest(w->row[1]) + 64;
		w->row[1] &= w->row[1] - 1;
	} else {
		got = acl_row(r);
		if (got < 0)
			w->bad = 1;
		return got ? 1 : 0;
	}
	got = acl_locate(r, dbit);
	if (got > 0)
		return 0;
	if (!got)
		got = acl_pair(r, w->head, w->older);
	if (!got)
		return 0;
	w->bad = 1;
	return 1;
}

/* acl_lookup judges a packet by what one policy slot sees of an ACL. It fails, and the packet is to be dropped,
 * when there is no such ACL or its memory contradicts itself. */
__noinline int acl_lookup(__u32 acl, __u32 slot, __u32 dir, const struct acl_key *key, struct acl_hit *hit)
{
	struct acl_run r;
	struct acl_walk *w;
	struct acl_header *header;
	struct acl_root *root;
	struct acl_geo *geo;
	__u32 zero = 0;

	if (!key || !hit)
		return -1;
	slot &= 1;
	dir &= 1;
	w = bpf_map_lookup_elem(&acl_walks, &zero);
	r.memory = bpf_map_lookup_elem(&acls, &acl);
	if (!w || !r.memory)
		return -1;
	r.w = w;
	__builtin_memset(w, 0, sizeof(*w));
	header = bpf_map_lookup_elem(r.memory, &zero);
	if (!header || header->magic != ACL_MAGIC)
		return -1;
	root = acl_at(&r, *(volatile __u32 *)&header->root[slot]);
	if (!root)
		return -1;
	w->version = root->version;
	w->verdict = root->verdict[dir];
	w->v6 = !!key->v6;
	w->zero = w->v6 ? ACL_ZERO_V6 : ACL_ZERO_V4;
	w->width = w->v6 ? 128 : 32;
	w->geo = root->geo[(dir * 2 + w->v6) & 3];
	if (w->geo) {
		geo = acl_at(&r, w->geo);
		if (!geo)
			return -1;
		w->best = ~0ULL;
		w->sport = key->sport;
		w->dport = key->dport;
		w->proto = key->proto;
		w->tcp_flags = key->tcp_flags;
		if (w->v6) {
			w->addr[0][0] = (__u64)bpf_ntohl(key->src[0]) << 32 | bpf_ntohl(key->src[1]);
			w->addr[0][1] = (__u64)bpf_ntohl(key->src[2]) << 32 | bpf_ntohl(key->src[3]);
			w->addr[1][0] = (__u64)bpf_ntohl(key->dst[0]) << 32 | bpf_ntohl(key->dst[1]);
			w->addr[1][1] = (__u64)bpf_ntohl(key->dst[2]) << 32 | bpf_ntohl(key->dst[3]);
		} else {
			w->addr[0][0] = (__u64)bpf_ntohl(key->src[3]) << 32;
			w->addr[1][0] = (__u64)bpf_ntohl(key->dst[3]) << 32;
		}
		if (acl_chain(&r, geo, 0) || acl_chain(&r, geo, 1))
			return -1;
		w->table = geo->table;
		w->table_mask = geo->table_mask;
		w->seed = geo->seed;
		w->partners = geo->partners;
		w->row[0] = 0;
		w->row[1] = 0;
		bpf_loop(1 << 15, acl_step, &r, 0);
		if (w->bad)
			return -1;
	}
	hit->number = w->verdict & ACL_NUMBER;
	hit->block = !!(w->verdict & ACL_BLOCK);
	hit->log = !!(w->verdict & ACL_LOG);
	return 0;
}
