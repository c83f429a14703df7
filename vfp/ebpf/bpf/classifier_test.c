// SPDX-License-Identifier: Apache-2.0
/* Runs the classifier by itself: the packet is a struct question, the answer goes into the map answers. Not part of the
 * vSwitch. */
#include "classifier.h"

struct question {
	__u32 acl, slot, dir, count; /* count: how often to ask */
	struct acl_key key;
};

struct answer {
	struct acl_hit hit;
	__s32 code;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct question);
} questions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct answer);
} answers SEC(".maps");

struct round {
	__u32 first, mask, sum;
};

static long ask_one(__u64 i, struct round *r)
{
	__u32 at = (r->first + (__u32)i) & r->mask;
	struct question *q = bpf_map_lookup_elem(&questions, &at);
	struct acl_hit hit = {};

	if (!q)
		return 1;
	if (!acl_lookup(q->acl, q->slot, q->dir, &q->key, &hit))
		r->sum += hit.number;
	return 0;
}

/* ask answers one question, the first of the map. */
SEC("tc")
int ask(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct question *q = bpf_map_lookup_elem(&questions, &zero);
	struct answer *a = bpf_map_lookup_elem(&answers, &zero);
	struct acl_hit hit = {};

	if (!q || !a)
		return 1;
	a->code = acl_lookup(q->acl, q->slot, q->dir, &q->key, &hit);
	a->hit = hit;
	return 0;
}

/* bench asks the next 256 questions; idle goes through them only. Few at a time: a run is rarely interrupted. */
__u32 bench_next, idle_next;

SEC("tc")
int bench(struct __sk_buff *skb)
{
	struct round r = {.first = bench_next, .mask = 4095};

	bench_next += 256;
	bpf_loop(256, ask_one, &r, 0);
	return r.sum & 0xff;
}

static long skip_one(__u64 i, struct round *r)
{
	__u32 at = (r->first + (__u32)i) & r->mask;
	struct question *q = bpf_map_lookup_elem(&questions, &at);

	if (!q)
		return 1;
	r->sum += q->key.sport;
	return 0;
}

SEC("tc")
int idle(struct __sk_buff *skb)
{
	struct round r = {.first = idle_next, .mask = 4095};

	idle_next += 256;
	bpf_loop(256, skip_one, &r, 0);
	return r.sum & 0xff;
}

char LICENSE[] SEC("license") = "Apache-2.0";
