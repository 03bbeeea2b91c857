import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { pruneImages } from '../app/prune.ts';
import type { LoadedConfig } from '../config/load.ts';
import { openLogger } from '../observe/logger.ts';
import { hexOf } from '../oci/digest.ts';
import type { Removed, Selection } from '../retention/prune.ts';
import { namePatterns } from '../values/name-patterns.ts';
import { Interruption } from './interruption.ts';
import { LaterText } from './later-text.ts';

export interface PruneOrder {
  /** Regular expressions with commas between them; none is every name. */
  readonly pattern: string;
  /** What was first cached before. */
  readonly date: Date | undefined;
  /** Milliseconds. */
  readonly notUsedFor: number | undefined;
  readonly keep: number | undefined;
  readonly dryRun: boolean;
  readonly output: 'text' | 'json';
}

/** Its pauses do not keep the process alive. Milliseconds. */
const aliveMs = 10_000;

/** Removes what is meant, and prints what has gone. SIGINT and SIGTERM end it. Throws an Error where nothing is said of what is meant, or the directory cannot be used. */
export async function prune({ config }: LoadedConfig, order: PruneOrder, stdout: Writable): Promise<void> {
  const selection = selectionOf(order);
  const { logLevel: level, logFormat: format, logFile } = config;
  const { log } = await openLogger({ level, format, file: logFile === '' ? undefined : logFile });
  using interruption = new Interruption();
  using _alive = setInterval(() => {}, aliveMs);
  await using names = await LaterText.open();
  const report = order.output === 'json' ? new JsonReport(order.dryRun) : new TextReport(order, names);
  const write = async (text: string): Promise<void> => await written(stdout, text);
  await write(report.begin());
  const removed = async (image: Removed): Promise<void> => await write(await report.image(image));
  await pruneImages(config, selection, order.dryRun, removed, { log, signal: interruption.signal });
  for await (const text of report.end()) await write(text);
}

/** What has gone, as it is printed. */
interface Report {
  begin(): string;
  image(image: Removed): Promise<string>;
  end(): AsyncIterable<string>;
}

function selectionOf({ pattern, date, notUsedFor, keep }: PruneOrder): Selection {
  if (pattern === '' && date === undefined && notUsedFor === undefined && keep === undefined)
    throw new Error('which images? Say so by --pattern, --date, --not-used-for or --keep');
  return {
    matches: namePatterns(pattern),
    ...(date && { createdBefore: date.getTime() }),
    ...(notUsedFor !== undefined && { notUsedSince: Date.now() - notUsedFor }),
    ...(keep !== undefined && { keep }),
  };
}

/** The names of images wait for their heading, as the original prints them. */
class TextReport implements Report {
  readonly #order: PruneOrder;
  readonly #names: LaterText;
  #freed = 0;

  constructor(order: PruneOrder, names: LaterText) {
    this.#order = order;
    this.#names = names;
  }

  begin(): string {
    const { pattern } = this.#order;
    const search = pattern === '' ? '' : `Compiling search regex: ${JSON.stringify(pattern)}\n`;
    return `${search}Prune blobs${this.#mark}:\n`;
  }

  async image(image: Removed): Promise<string> {
    this.#freed += image.freed;
    await this.#names.add(linesOf(namesOf(image)));
    return linesOf(image.blobs.map(hexOf));
  }

  async *end(): AsyncGenerator<string> {
    const said = this.#order.dryRun ? 'would be freed' : 'freed';
    yield `Prune manifests${this.#mark}:\n`;
    yield* this.#names.read();
    yield `${(this.#freed / 1_000_000).toFixed(1)} MB ${said}\n`;
  }

  get #mark(): string {
    return this.#order.dryRun ? ' (dry run)' : '';
  }
}

/** As they go. */
class JsonReport implements Report {
  readonly #dryRun: boolean;
  #freed = 0;
  #count = 0;

  constructor(dryRun: boolean) {
    this.#dryRun = dryRun;
  }

  begin(): string {
    return `{\n  "dryRun": ${this.#dryRun},\n  "images": [`;
  }

  async image({ repository, digest, tags, blobs, freed }: Removed): Promise<string> {
    this.#freed += freed;
    this.#count += 1;
    const shown = JSON.stringify({ repository, digest, tags, blobs, freedBytes: freed });
    return `${this.#count === 1 ? '' : ','}\n    ${shown}`;
  }

  async *end(): AsyncGenerator<string> {
    yield `${this.#count === 0 ? '' : '\n  '}],\n  "freedBytes": ${this.#freed}\n}\n`;
  }
}

function linesOf(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}

function namesOf({ repository, digest, tags }: Removed): string[] {
  return tags.length === 0 ? [`${repository}@${digest}`] : tags.map((tag) => `${repository}:${tag}`);
}

/** Also where nobody reads any more: what was begun is done. */
async function written(stdout: Writable, text: string): Promise<void> {
  if (text === '' || stdout.destroyed || stdout.write(text)) return;
  const over = new AbortController();
  const { signal } = over;
  await Promise.race([once(stdout, 'drain', { signal }), once(stdout, 'close', { signal })]).catch(() => {});
  over.abort();
}
