/**
 * What natswarm knows of JetStream's raft: how it asks for votes, and when asking once with an empty log makes survivors
 * elect a new leader sooner. All of it is arithmetic; `accelerator.ts` sends and waits.
 */

/** A peer's answer to a request for its vote. */
export interface VoteAnswer {
  readonly term: bigint;
  readonly peer: string;
}

/** The last request that was to raise the term. */
export interface Poke {
  readonly term: bigint;
  /** ms on the clock's scale. */
  readonly at: number;
  /** Since when a survivor is seen to campaign: with a higher term. */
  readonly roseAt?: number;
}

/** What was seen of a group at one time. */
export interface Sighting {
  readonly answers: readonly (VoteAnswer | undefined)[];
  /** A server says of itself that it leads the group. */
  readonly isLed: boolean;
  /** ms on the clock's scale. */
  readonly now: number;
}

export type Step =
  | { readonly kind: 'poke'; readonly term: bigint }
  | { readonly kind: 'wait'; readonly reason: WaitReason; readonly last: Poke | undefined };
export type WaitReason = 'unknown form' | 'led' | 'too few answers' | 'poked';

/** No peer has this name. Its log is empty, so nobody may vote for it. */
const candidate = 'natswarm';
const requestBytes = 32;
const answerBytes = 17;
/** Flags of an answer: the vote was given, and the peer's log is empty. */
const granted = 1;
const known = 3;
/** Terms grow by one with each election; from here on somebody has broken them. */
const termMax = 2n ** 48n;

/** How long survivors have to agree once one campaigns (their spread is 100 ms to 800 ms), and to begin to. */
const agreeMs = 300;
const campaignMs = 1_000;
/** One alone elects nobody; a group of two has no majority without the other. */
const answersMin = 2;

/**
 * A request for votes from a candidate with an empty log: term, last term and last index as little-endian u64, and the
 * candidate. Term 0 changes nothing and asks for the term.
 */
export function encodeVoteRequest(term: bigint): Uint8Array {
  const request = Buffer.alloc(requestBytes);
  request.writeBigUInt64LE(term, 0);
  request.write(candidate, 24, 'latin1');
  return request;
}

/** Undefined for any other form than the known one, and for a vote that was given: nothing may be concluded from them. */
export function decodeVoteAnswer(data: Uint8Array): VoteAnswer | undefined {
  if (data.length !== answerBytes) return undefined;
  const answer = Buffer.from(data);
  const term = answer.readBigUInt64LE(0);
  const peer = answer.toString('latin1', 8, 16);
  const flags = answer.readUInt8(16);
  const isKnown = flags <= known && (flags & granted) === 0;
  return isKnown && term < termMax && /^[0-9A-Za-z]{8}$/.test(peer) ? { term, peer } : undefined;
}

/**
 * What to do about a group whose commits have stalled. A poke is a request with the highest term + 1: nobody can vote for
 * it, but survivors with the newer log campaign soon after. Another one follows when one campaigned and nobody won, or
 * when nobody did; never while a leader answers.
 */
export function nextStep({ answers, isLed, now }: Sighting, last: Poke | undefined): Step {
  const terms = answers.map((answer) => answer?.term);
  if (terms.includes(undefined)) return { kind: 'wait', reason: 'unknown form', last };
  if (isLed) return { kind: 'wait', reason: 'led', last };
  const peers = new Set(answers.map((answer) => answer?.peer));
  if (peers.size < answersMin) return { kind: 'wait', reason: 'too few answers', last };
  const highest = terms.reduce<bigint>((max, term = 0n) => (term > max ? term : max), 0n);
  const poke = last === undefined ? undefined : withRise(last, highest, now);
  if (poke !== undefined && !isOver(poke, now))
    return { kind: 'wait', reason: 'poked', last: poke };
  return { kind: 'poke', term: highest + 1n };
}

function withRise(poke: Poke, highest: bigint, now: number): Poke {
  return poke.roseAt === undefined && highest > poke.term ? { ...poke, roseAt: now } : poke;
}

const isOver = ({ at, roseAt }: Poke, now: number): boolean =>
  roseAt === undefined ? now - at >= campaignMs : now - roseAt >= agreeMs;
