// A function's numbers over a span that ends now: all of them are asked for once, and then only what is new.

import { now } from "./format.js";

const BUCKETS = 100;

export class Series {
  /** `ask`: gets the answer for filters (since, until, buckets). */
  constructor(ask) {
    this.ask = ask;
    this.length = 0;
  }

  /** The numbers of the last `length` seconds before `until` (null: now), not from before `start`. */
  async update(length, start, until) {
    const end = until ?? now();
    const width = length / BUCKETS;
    const since = Math.max(end - length, Math.min(start, end - 30));
    if (length !== this.length || until !== null) Object.assign(this, { length, samples: [], latencies: [], known: Math.floor(since / width) * width });
    const from = this.known;
    const parts = Math.min(2 * BUCKETS, Math.max(1, Math.ceil((end - from) / width)));
    const found = await this.ask({ since: from, until: from + parts * width, buckets: parts });
    const kept = (list, at) => list.filter((each) => each.at >= since - width && each.at < at);
    this.samples = [...kept(this.samples, from), ...found.samples];
    this.latencies = [...kept(this.latencies, from), ...found.latencies];
    // What has begun is not over: it is asked for again.
    this.known = from + (parts - 1) * width;
    return { since, until: end, samples: this.samples, latencies: this.latencies };
  }
}
