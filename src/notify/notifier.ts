import { createHash, randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Transport } from '../net/transport.ts';
import type { ContentEvent, Tell } from '../observe/content-event.ts';
import type { EventQueue } from '../storage/event-queue.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { settleEvents } from '../storage/operation.ts';
import { type AddressedEvents, type Addressing, addressed } from './addressed-events.ts';
import { deliver, type EndpointSettings } from './delivery.ts';
import { EventSender } from './event-sender.ts';
import { type EventSource, eventText } from './event-text.ts';
import { Outbox } from './outbox.ts';

export type EventKind = ContentEvent['kind'];

/** Who is told, and of what. */
export interface NotifiedEndpoint extends EndpointSettings {
  readonly events: readonly EventKind[];
  /** What a try may take. Milliseconds. */
  readonly timeoutMs: number;
  /** Ends what takes longer. */
  readonly transport: Transport;
  /** Of its connections, at the end. */
  readonly close?: (() => Promise<void>) | undefined;
}

export interface NotifierParts {
  readonly endpoints: readonly NotifiedEndpoint[];
  readonly source: Omit<EventSource, 'instanceID'>;
  readonly queue: EventQueue;
  readonly metadata: Pick<MetadataStore, 'change'>;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  /** Of each endpoint so many wait; then the oldest go, and are counted. Default: 10,000. */
  readonly maxQueued?: number | undefined;
}

/** How it stands with an endpoint; counts are of this process, but of those dropped. */
export interface EndpointState {
  /** Its host. */
  readonly endpoint: string;
  readonly waiting: number;
  readonly sent: number;
  readonly failed: number;
  /** Given up: for later ones, or since the endpoint refused them. */
  readonly dropped: number;
}

interface Destination {
  readonly name: string;
  readonly host: string;
  readonly events: ReadonlySet<EventKind>;
  readonly wake: () => void;
  readonly sender: EventSender;
}

/** Of an endpoint that is not configured any more so many are forgotten at a time. */
const forgottenAtOnce = 100;
const usuallyQueued = 10_000;

/** Tells others what becomes of content here: whoever tells of an event hands it in by {@link tell} and goes on. */
export class Notifier implements AsyncDisposable {
  readonly #parts: NotifierParts;
  readonly #destinations: readonly Destination[];
  readonly #addressing: Addressing;
  readonly #outbox: Outbox;
  readonly #stop = new AbortController();
  #begun: Promise<void> | undefined;

  constructor(parts: NotifierParts) {
    const { source, metadata, clock, log, maxQueued = usuallyQueued } = parts;
    this.#parts = parts;
    const holder = randomUUID();
    this.#destinations = parts.endpoints.map((endpoint) => destination(endpoint, holder, parts));
    const said = { ...source, instanceID: holder };
    const byKind = new Map<EventKind, readonly Destination[]>();
    this.#addressing = {
      addresseesOf: (kind) => {
        const known = byKind.get(kind);
        if (known !== undefined) return known;
        const found = this.#destinations.filter(({ events }) => events.has(kind));
        byKind.set(kind, found);
        return found;
      },
      textOf: (event) => eventText(event, said),
      maxQueued,
    };
    this.#outbox = new Outbox({ addressing: this.#addressing, metadata, clock, log });
  }

  get tell(): Tell {
    return this.#outbox.tell;
  }

  /** For whoever changes the index by what he tells: events are queued with that change, in its transaction. */
  readonly queued = (events: readonly ContentEvent[]): AddressedEvents => addressed(events, this.#addressing);

  /** Does nobody ask for these? Then they need not be told. */
  wants(kind: EventKind): boolean {
    return this.#destinations.some(({ events }) => events.has(kind));
  }

  async states(): Promise<EndpointState[]> {
    const { queue } = this.#parts;
    return await Promise.all(
      this.#destinations.map(async ({ name, host, sender: { sent, failed, refused } }) => {
        const { waiting, dropped } = await queue.stateOf(name);
        return { endpoint: host, waiting, sent, failed, dropped: dropped + refused + this.#outbox.lost };
      }),
    );
  }

  /** Begins to send. */
  begin(): void {
    this.#begun = this.#forgetOthers(this.#stop.signal).catch((error: unknown) => {
      this.#parts.log.warn(
        { err: error },
        'events of endpoints that are not configured any more cannot be removed',
      );
    });
    for (const { sender } of this.#destinations) sender.begin();
  }

  /** What waits for endpoints that are not configured any more is for nobody. */
  async #forgetOthers(signal: AbortSignal): Promise<void> {
    const { queue, metadata } = this.#parts;
    const known = new Set(this.#destinations.map(({ name }) => name));
    for (const name of await queue.endpoints()) {
      while (!known.has(name) && !signal.aborted) {
        const last = (await queue.waiting(name, { after: 0, limit: forgottenAtOnce })).at(-1);
        if (last === undefined) break;
        await metadata.change([settleEvents(name, last.id, '')]);
      }
    }
  }

  /** What was told is kept; what was not sent is sent by the next process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#outbox[Symbol.asyncDispose]();
    await this.#begun;
    await Promise.all(this.#destinations.map(async ({ sender }) => await sender[Symbol.asyncDispose]()));
    await Promise.all(this.#parts.endpoints.map(async ({ close }) => await close?.()));
  }
}

function destination(endpoint: NotifiedEndpoint, holder: string, parts: NotifierParts): Destination {
  const { url, events, timeoutMs, transport } = endpoint;
  const { queue, metadata, clock, log, random } = parts;
  // The index is read by others too, and the URL is a secret.
  const name = createHash('sha256').update(url.href).digest('hex');
  const sender = new EventSender({
    ...{ name, host: url.host, queue, metadata, timeoutMs, holder, clock, log, random },
    deliver: async (texts, signal) => await deliver(texts, endpoint, { transport, clock, signal }),
  });
  return { name, host: url.host, events: new Set(events), wake: () => sender.wake(), sender };
}
